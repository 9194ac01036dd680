"""Looks at a machine's set-up and says in words what is wrong with it, and what to do."""
