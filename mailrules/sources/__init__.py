"""Where mail comes from: an IMAP server, or files. Reads only; decides nothing and stores nothing."""
