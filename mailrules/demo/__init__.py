"""What `mailrules demo` needs beyond the program: a small IMAP server and a small SMTP receiver on loopback."""
