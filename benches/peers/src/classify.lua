-- One order. KEYS: merchant, order. ARGV: price, profit (cents), completed_at (microseconds).
-- Answers "<cycle><r if known before><settlement day>", or "x" where the order is known with other content.
local terms = ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3] .. ' '
local known = redis.call('GET', KEYS[2])
if known then
  if string.sub(known, 1, #terms) ~= terms then return 'x' end
  local answer = string.sub(known, #terms + 1)
  return string.sub(answer, 1, 1) .. 'r' .. string.sub(answer, 2)
end
local completed = tonumber(ARGV[3])
local now = redis.call('TIME')
local age = tonumber(now[1]) * 1000000 + tonumber(now[2]) - completed
if age > 86400000000 or age < -5000000 then return redis.error_reply('COMPLETED_AT out of bounds') end
local day = math.floor(completed / 86400000000)
local total_of, quick_of, standard_of = 't' .. day, 'p' .. (day + 2) .. 'q', 'p' .. (day + 7) .. 's'
local found = redis.call('HMGET', KEYS[1], 'guarantee', 'profit', total_of, quick_of, standard_of)
local profit, total = tonumber(found[2] or 0), tonumber(found[3] or 0) + tonumber(ARGV[1])
local multiple = profit > 3000000 and 10 or profit > 500000 and 5 or profit > 100000 and 3 or 1
local answer
if total <= tonumber(found[1] or 0) * multiple then
  answer = '2' .. (day + 2)
  redis.call('HSET', KEYS[1], total_of, total, quick_of, tonumber(found[4] or 0) + tonumber(ARGV[2]))
else
  answer = '7' .. (day + 7)
  redis.call('HSET', KEYS[1], total_of, total, standard_of, tonumber(found[5] or 0) + tonumber(ARGV[2]))
end
redis.call('SET', KEYS[2], terms .. answer)
return answer
