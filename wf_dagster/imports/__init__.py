"""How modules and names of modules are found: later, elsewhere, under another name."""
