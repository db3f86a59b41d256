#!lua
-- id, content hash, JSON list of the jobs to wait for, then the fields of the record as pairs.
-- created | exists | conflict | missing (with the id of the unknown one as state)
local id, content, after = ARGV[1], ARGV[2], cjson.decode(ARGV[3])

set_aside_broken(id)
local job = load(id)
if job then
  local outcome = job.document_sha256 == content and 'exists' or 'conflict'
  return answer(outcome, job.state, job.state)
end
for _, other in ipairs(after) do
  if not get_state(other) then
    return answer('missing', other)
  end
end
redis.call('HSET', key('job', id), 'state', 'queued', 'document_sha256', content,
  'created_ms', now, 'updated_ms', now, 'seq', redis.call('INCR', PREFIX .. 'sequence'),
  unpack(ARGV, 4))
index(id, now)
wait_for(id, after)
enqueue(id)
tell_dependents(id)
heed_causes(id)
return answer('created', '', get_state(id))
