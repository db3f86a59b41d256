#!lua flags=allow-oom
-- worker, what it says of itself as JSON, ttl in ms, place of the worker.
-- How many jobs in a row the place has lost, and for how many ms it rests because of that.
local worker, info, ttl, place = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

redis.call('ZREMRANGEBYSCORE', PREFIX .. 'live_workers', '-inf', now)
redis.call('HSET', key('worker', worker), 'info', info, 'beat_ms', now)
redis.call('PEXPIRE', key('worker', worker), ttl)
redis.call('ZADD', PREFIX .. 'live_workers', now + ttl, worker)
return { redis.call('LLEN', key('lost_in_a_row', place)), (resting_until(place) or now) - now }
