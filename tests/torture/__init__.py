"""The torture: faults of every class thrown at whole polls, and an independent checker of what is left afterwards.

In: a seed and a time. Out: one table, and exit code 1 where an invariant broke. May not live here: anything that mailrules needs.

scenario.py says what is in the mailbox and what must come of it; checker.py looks whether it did, and never asks mailrules;
servers.py breaks, lies and refuses; zygote.py forks polls; bench.py holds one trial; faults_*.py are the classes, each with
the row of the fault (F) and bad-input (B) matrix that it tries; runner.py and table.py count.
A class that cannot be injected stands in the table all the same, with the reason.
"""
