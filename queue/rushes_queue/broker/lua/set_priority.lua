#!lua flags=allow-oom
-- id, priority. Among equals a job keeps its place by submission. ok | already | refused | unknown
local id, priority = ARGV[1], ARGV[2]

local refusal, job, target = ask(id, 'set_priority')
if refusal then
  return refusal
end
if job.priority == priority then
  return answer('already', job.state, target)
end
if job.state == 'queued' then
  unqueue(id, job)
end
local queue = string.gsub(job.queue, '%.[^.]*$', '.' .. priority)
redis.call('HSET', key('job', id), 'priority', priority, 'queue', queue)
job.queue = queue
enter(id, job, 'set_priority', target, priority)
return answer('ok', job.state, target)
