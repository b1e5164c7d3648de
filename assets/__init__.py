"""The code location of this repository: two strategies on the sample prices."""
