"""What app.py wires: the gate for rules, what comes in, the plan, what is done, what was. The clock is handed in."""
