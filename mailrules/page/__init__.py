"""What people look at: the page that `mailrules serve` shows, the report, the calendar."""
