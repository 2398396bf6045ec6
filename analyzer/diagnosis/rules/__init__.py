"""The rules, one file each: the file's name is the finding's code, its docstring is what `mtlscope explain` prints.

A rule is a module with

- `SEVERITY`: error, warning or notice;
- `STAGE`: where in a connection it is at home, None where it only says how a connection ended;
- `SPECIFICITY`: 0 says how it ended, 1 whose fault it is, 2 what kind of fault, 3 the very cause;
- `WHEN`: the situations in which it is asked: attempt (TLS never began), failed, incomplete, established;
- `applies(report, around)`, where `WHEN` holds `established`: a test so cheap that each healthy handshake can take it;
- `judge(case)`: a `Judgment`, or None.
"""
