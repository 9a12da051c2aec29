"""The commands, one CloudStack noun a module."""
