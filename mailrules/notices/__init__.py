"""Message and notice definitions to Notices with evidence. Knows how notices look from the definitions it is given."""
