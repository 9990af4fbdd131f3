-- imapfilter doing what a first run does: find the notices, fetch them, read the developer id, write down what is to be done.
-- BENCH_PORT, BENCH_OUT and BENCH_MATCH ("server": its own search, "local": a pattern on this side) say where and how.

options.timeout = 300
options.subscribe = false
options.starttls = false

account = IMAP {
  server = '127.0.0.1',
  port = tonumber(os.getenv('BENCH_PORT')),
  username = 'bench',
  password = 'secret',
}

if os.getenv('BENCH_MATCH') == 'local' then
  found = account.INBOX:match_subject('ACTION REQUIRED - .* authorization will expire in [0-9]+ days?')
else
  found = account.INBOX:contain_subject('software application authorization will expire')
end

out = io.open(os.getenv('BENCH_OUT'), 'w')
for _, message in ipairs(found) do
  mailbox, uid = table.unpack(message)
  subject = mailbox[uid]:fetch_field('Subject')
  text = mailbox[uid]:fetch_message()
  read, id = regex_search('Developer ID:\\s*([0-9]{12})', text)
  out:write('task\t', uid, '\t', subject:gsub('[\r\n]+', ' '), '\t', read and id or 'unread', '\n')
end
out:close()
