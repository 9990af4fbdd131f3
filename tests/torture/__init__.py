"""The torture: faults of every class thrown at whole polls, and an independent checker of what is left afterwards.

In: a seed and a time. Out: one table, and exit code 1 where an invariant broke. May not live here: anything that mailrules needs.
"""
