#!lua flags=allow-oom
-- worker, what it says of itself as JSON, ttl in ms.
local worker, info, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])

redis.call('ZREMRANGEBYSCORE', PREFIX .. 'live_workers', '-inf', now)
redis.call('HSET', key('worker', worker), 'info', info, 'beat_ms', now)
redis.call('PEXPIRE', key('worker', worker), ttl)
redis.call('ZADD', PREFIX .. 'live_workers', now + ttl, worker)
return 'ok'
