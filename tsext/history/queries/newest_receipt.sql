SELECT details -> 'receipt' FROM tsext.event
WHERE revision = %(revision)s AND details ? 'receipt'
ORDER BY id DESC LIMIT 1
