"""Tables on disk, shared by processes: computed once, mapped into every process that reads them."""
