"""Pictures: each kind drawn by one file, in a process of its own. Only `studio` is for the desk's own process."""
