"""loops: runs coding agents unattended, keeps them honest, and proves what they did."""

__version__ = "0.1.0"
