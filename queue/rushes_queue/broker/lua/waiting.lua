#!lua flags=no-writes
-- highest schema version, JSON list of wanted tags, place of the worker, how many jobs at most, then
-- queues in order of service. The first jobs that claim would give this worker.
local max_schema, wanted_tags, place = tonumber(ARGV[1]), to_list(ARGV[2]), ARGV[3]
local most, found = tonumber(ARGV[4]), {}

if resting_until(place) then
  return found
end
for i = 5, #ARGV do
  for _, id in ipairs(redis.call('ZRANGE', key('queued', ARGV[i]), 0, 199)) do
    local schema = has_record(id) and tonumber(redis.call('HGET', key('job', id), 'schema'))
    if schema and schema <= max_schema and has_wanted_tag(id, wanted_tags)
      and not is_refused_by(id, place) then
      found[#found + 1] = id
      if #found == most then
        return found
      end
    end
  end
end
return found
