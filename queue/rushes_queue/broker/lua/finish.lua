#!lua flags=allow-oom
-- id, fence, result as JSON. ok | repeated | fenced | unknown
local id, fence, result = ARGV[1], ARGV[2], ARGV[3]

local refusal, job = hold(id, fence, 'finish')
if refusal then
  return refusal
end
prove_healthy(place_of(id, job))
redis.call('DEL', key('losses', id))
count_made(job, tonumber(job.num_chunks), tonumber(job.num_frames))
redis.call('HSET', key('job', id), 'result', result, 'chunk', job.num_chunks, 'frame', job.num_frames)
redis.call('HDEL', key('job', id), 'error', 'notes')
job.chunk = job.num_chunks
return end_attempt(id, job, 'finish', 'finish', 'done')
