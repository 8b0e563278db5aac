-- Many orders. ARGV: merchant, order, price, profit, completed_at of each. Answers as for one order, separated by blanks.
-- All orders are looked up in one call and written in one; so is each merchant and day.
local count = #ARGV / 5
local keys = {}
for i = 1, count do keys[i] = 'o:' .. ARGV[5 * i - 4] .. ':' .. ARGV[5 * i - 3] end
local known = redis.call('MGET', unpack(keys))
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local answers, fresh, written, days = {}, {}, {}, {}
for i = 1, count do
  local at = 5 * i - 4
  local merchant, price, profit = ARGV[at], ARGV[at + 2], ARGV[at + 3]
  local terms = price .. ' ' .. profit .. ' ' .. ARGV[at + 4] .. ' '
  local before = known[i] or fresh[keys[i]]
  if before then
    if string.sub(before, 1, #terms) ~= terms then
      answers[i] = 'x'
    else
      answers[i] = string.sub(before, #terms + 1, #terms + 1) .. 'r' .. string.sub(before, #terms + 2)
    end
  else
    local completed = tonumber(ARGV[at + 4])
    local age = now - completed
    if age > 86400000000 or age < -5000000 then return redis.error_reply('COMPLETED_AT out of bounds') end
    local day = math.floor(completed / 86400000000)
    local name = merchant .. day
    local state = days[name]
    if not state then
      local total_of, quick_of, standard_of = 't' .. day, 'p' .. (day + 2) .. 'q', 'p' .. (day + 7) .. 's'
      local found = redis.call('HMGET', 'm:' .. merchant, 'guarantee', 'profit', total_of, quick_of, standard_of)
      local past = tonumber(found[2] or 0)
      local multiple = past > 3000000 and 10 or past > 500000 and 5 or past > 100000 and 3 or 1
      state = {
        key = 'm:' .. merchant, total_of = total_of, quick_of = quick_of, standard_of = standard_of,
        quota = tonumber(found[1] or 0) * multiple, total = tonumber(found[3] or 0),
        quick = tonumber(found[4] or 0), standard = tonumber(found[5] or 0),
      }
      days[name] = state
    end
    state.total = state.total + tonumber(price)
    local answer
    if state.total <= state.quota then
      answer = '2' .. (day + 2)
      state.quick = state.quick + tonumber(profit)
    else
      answer = '7' .. (day + 7)
      state.standard = state.standard + tonumber(profit)
    end
    local value = terms .. answer
    fresh[keys[i]] = value
    written[#written + 1] = keys[i]
    written[#written + 1] = value
    answers[i] = answer
  end
end
for _, state in pairs(days) do
  redis.call('HSET', state.key, state.total_of, state.total, state.quick_of, state.quick, state.standard_of, state.standard)
end
if #written > 0 then redis.call('MSET', unpack(written)) end
return table.concat(answers, ' ')
