"""One file a check of a chain; its name is the check's name, its docstring the documentation.

Each has

- `check(context)`, which yields what it finds wrong or cannot tell, and nothing where all is well;
- `DECIDES`, the roles for which a failure fails the chain; elsewhere it is a notice;
- `CITATION`, where the rule stands.
"""
