-- The state machine of breaker.ts for the whole cluster: one hash a breaker, one call an operation. Both forms must
-- give the same answers (test/plugins/circuit-breaker/script.test.ts runs them side by side).
--
-- KEYS[1]  the breaker
-- ARGV     in the order of `names`; `known_*` is what the calling node last knew, which stands where it outranks
--          what is stored here (Redis was away, or lost its data)
-- Fields   phase generation attempt since until cause succeeded failed name, lease:<token> and stream:<token> = end of the
--          permit, late:<token> = when a permit was given back without a result,
--          node:<node>/<process> = generation at calls failures slow connection-failures, mode_*
local names = {
  'op', 'node', 'name', 'draw',
  'failure_rate', 'slow_call_rate', 'minimum_calls', 'connection_failures', 'quorum_nodes', 'open_ms', 'max_open_ms',
  'open_jitter', 'permits', 'probe_ms', 'recovery_ms', 'live_ms',
  'known_phase', 'known_generation', 'known_attempt', 'known_remaining', 'known_cause',
  'mode_sequence', 'mode', 'mode_remaining', 'mode_actor', 'mode_reason',
  'a', 'b', 'c', 'd', 'e', 'f',
}
local text = { op = 1, node = 1, name = 1, known_phase = 1, known_cause = 1, mode = 1, mode_actor = 1, mode_reason = 1 }
local arg = {}
for i, name in ipairs(names) do
  arg[name] = text[name] and ARGV[i] or tonumber(ARGV[i])
end
local token = ARGV[27]

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local key = KEYS[1]
local hash = {}
local raw = redis.call('HGETALL', key)
for i = 1, #raw, 2 do
  hash[raw[i]] = raw[i + 1]
end
local function number(field)
  return tonumber(hash[field] or '0')
end

local s = {
  phase = hash.phase or 'closed',
  generation = number('generation'),
  attempt = number('attempt'),
  since = number('since'),
  until_ms = number('until'),
  cause = hash.cause or '',
  succeeded = number('succeeded'),
  failed = number('failed'),
}
local leases, lease_count, streams, stream_count, late, reports = {}, 0, {}, 0, {}, {}
for field, value in pairs(hash) do
  if string.sub(field, 1, 6) == 'lease:' then
    leases[string.sub(field, 7)] = tonumber(value)
    lease_count = lease_count + 1
  elseif string.sub(field, 1, 7) == 'stream:' then
    streams[string.sub(field, 8)] = tonumber(value)
    stream_count = stream_count + 1
  elseif string.sub(field, 1, 5) == 'late:' then
    late[string.sub(field, 6)] = tonumber(value)
  elseif string.sub(field, 1, 5) == 'node:' then
    local n = {}
    for part in string.gmatch(value, '%S+') do
      n[#n + 1] = tonumber(part)
    end
    reports[string.sub(field, 6)] =
      { generation = n[1], at = n[2], calls = n[3], failures = n[4], slow = n[5], connection_failures = n[6] }
  end
end

local transitions = {}
local lost = 0
local granted = 0
local opened_for

local function forget_probes()
  s.succeeded = 0
  s.failed = 0
  leases, lease_count, streams, stream_count, late = {}, 0, {}, 0, {}
end

local function enter(phase)
  s.phase = phase
  s.generation = s.generation + 1
  s.since = now
  s.until_ms = 0
  forget_probes()
  if phase == 'closed' then
    s.attempt = 0
    s.cause = ''
  end
end

local function open_for_ms(attempt, draw)
  return math.floor(math.min(arg.max_open_ms, arg.open_ms * 2 ^ attempt) * (1 + arg.open_jitter * draw))
end

-- The clock may have stepped back: no end lies further ahead than what it ends takes, nothing of the past lies ahead.
local function bring_within_reach()
  local longest = s.phase == 'open' and open_for_ms(s.attempt, 1) or arg.recovery_ms
  s.until_ms = math.min(s.until_ms, now + longest)
  s.since = math.min(s.since, now)
  for _, held in ipairs({ leases, streams }) do
    for name, ends in pairs(held) do
      held[name] = math.min(ends, now + arg.probe_ms)
    end
  end
  for _, r in pairs(reports) do
    r.at = math.min(r.at, now)
  end
end

local function open(cause)
  local attempt = s.phase == 'closed' and 0 or math.min(30, s.attempt + 1)
  enter('open')
  s.attempt = attempt
  s.cause = cause
  s.until_ms = now + open_for_ms(attempt, arg.draw)
  transitions[#transitions + 1] = 'opened'
end

local function judge()
  if s.failed >= arg.failure_rate * arg.permits then
    open('probe-failed')
  elseif s.succeeded + s.failed >= arg.permits then
    if arg.recovery_ms <= 0 then
      enter('closed')
      transitions[#transitions + 1] = 'closed'
    else
      enter('recovering')
      s.until_ms = now + arg.recovery_ms
      transitions[#transitions + 1] = 'recovering'
    end
  end
end

-- Keeps the newest LATE_KEPT (breaker.ts) of the late probes.
local function forget_oldest()
  local tokens = {}
  for name in pairs(late) do
    tokens[#tokens + 1] = name
  end
  table.sort(tokens, function(a, b)
    if late[a] ~= late[b] then
      return late[a] > late[b]
    end
    return a > b
  end)
  for i = 65, #tokens do
    late[tokens[i]] = nil
  end
end

-- Probes that are over time give their permits back: a request's silence says nothing, a stream's says it is open.
local function expire()
  local requests, established = {}, {}
  for name, ends in pairs(leases) do
    if now >= ends then
      requests[#requests + 1] = name
    end
  end
  for name, ends in pairs(streams) do
    if now >= ends then
      established[#established + 1] = name
    end
  end
  for _, name in ipairs(requests) do
    late[name] = leases[name]
    leases[name] = nil
    lease_count = lease_count - 1
    lost = lost + 1
    transitions[#transitions + 1] = 'probe-lost'
  end
  for _, name in ipairs(established) do
    streams[name] = nil
    stream_count = stream_count - 1
    s.succeeded = s.succeeded + 1
  end
  if #requests > 0 then
    forget_oldest()
  end
  return #requests + #established > 0
end

local function advance()
  if s.phase == 'recovering' and now >= s.until_ms then
    enter('closed')
    transitions[#transitions + 1] = 'closed'
  elseif s.phase == 'half-open' then
    if expire() then
      judge()
    end
  end
end

local function rate_cause(calls, failures, slow)
  if calls == 0 then
    return nil
  end
  if failures >= arg.failure_rate * calls then
    return 'failure-rate'
  end
  return slow >= arg.slow_call_rate * calls and 'slow-call-rate' or nil
end

local function in_a_row(r)
  return arg.connection_failures > 0 and r.connection_failures >= arg.connection_failures
end

-- The processes of a node have one voice.
local function totals()
  local t = { calls = 0, failures = 0, slow = 0, nodes = 0, witnesses = 0, cut_off = 0 }
  local nodes = {}
  for id, r in pairs(reports) do
    if r.generation == s.generation and r.calls > 0 then
      local name = string.match(id, '^(.*)/[^/]*$') or id
      local n = nodes[name]
      if not n then
        n = { calls = 0, failures = 0, slow = 0, connection_failures = 0 }
        nodes[name] = n
      end
      n.calls = n.calls + r.calls
      n.failures = n.failures + r.failures
      n.slow = n.slow + r.slow
      n.connection_failures = math.max(n.connection_failures, r.connection_failures)
    end
  end
  for _, n in pairs(nodes) do
    t.calls = t.calls + n.calls
    t.failures = t.failures + n.failures
    t.slow = t.slow + n.slow
    t.nodes = t.nodes + 1
    local row = in_a_row(n)
    if row then
      t.cut_off = t.cut_off + 1
    end
    if row or rate_cause(n.calls, n.failures, n.slow) then
      t.witnesses = t.witnesses + 1
    end
  end
  return t
end

-- What the node knows stands where it outranks what is stored.
local strictness = { closed = 0, recovering = 1, ['half-open'] = 2, open = 3 }
if arg.known_generation > s.generation
  or (arg.known_generation == s.generation and strictness[arg.known_phase] > strictness[s.phase]) then
  s.phase = arg.known_phase
  s.generation = arg.known_generation
  s.attempt = arg.known_attempt
  s.since = now
  s.until_ms = (s.phase == 'open' or s.phase == 'recovering') and now + arg.known_remaining or 0
  s.cause = arg.known_cause
  forget_probes()
end
local m = {
  sequence = number('mode_sequence'),
  mode = hash.mode or 'auto',
  until_ms = number('mode_until'),
  actor = hash.mode_actor or '',
  reason = hash.mode_reason or '',
}
if arg.op == 'mode' then
  -- Later than any that a node may remember, also after Redis has lost its data.
  arg.mode_sequence = math.max(m.sequence + 1, now)
end
if arg.mode_sequence > m.sequence then
  m.sequence = arg.mode_sequence
  m.mode = arg.mode
  m.until_ms = arg.mode_remaining > 0 and now + arg.mode_remaining or 0
  m.actor = arg.mode_actor
  m.reason = arg.mode_reason
end
if m.mode ~= 'auto' and m.until_ms > 0 and now >= m.until_ms then
  m.mode = 'auto'
end

-- An operator who looks or orders has no policy to judge by.
local judges = arg.op ~= 'read' and arg.op ~= 'mode'
if judges then
  bring_within_reach()
end

-- A result that is expected stands over the end of its permit, so it is taken first.
local is_expected = arg.op == 'settle' and s.phase == 'half-open' and s.generation == arg.b
  and (leases[token] or streams[token] or late[token])
if judges and not is_expected then
  advance()
end
if arg.op == 'report' then
  for name, r in pairs(reports) do
    if now - r.at > arg.live_ms then
      reports[name] = nil
    end
  end
  reports[arg.node] = {
    generation = arg.a, at = now, calls = arg.b, failures = arg.c, slow = arg.d, connection_failures = arg.e,
  }
  if s.phase == 'closed' or s.phase == 'recovering' then
    local t = totals()
    local quorum = math.min(arg.quorum_nodes, math.floor(math.max(arg.f, t.nodes) / 2) + 1)
    local minimum = s.phase == 'recovering' and math.ceil(arg.minimum_calls / 4) or arg.minimum_calls
    if t.witnesses >= quorum then
      local cause = t.cut_off >= quorum and 'connection-failures'
        or (t.calls >= minimum and rate_cause(t.calls, t.failures, t.slow) or nil)
      if cause then
        open(cause)
        opened_for = t
      end
    end
  end
elseif arg.op == 'acquire' then
  if s.phase == 'open' and now >= s.until_ms then
    enter('half-open')
    transitions[#transitions + 1] = 'half-opened'
  end
  if s.phase == 'half-open' then
    local is_stream = arg.b == 1
    local held = is_stream and streams or leases
    local busy = is_stream and stream_count or lease_count
    if held[token] then
      granted = 1
    elseif busy + s.succeeded + s.failed < arg.permits then
      held[token] = now + arg.probe_ms
      if is_stream then
        stream_count = stream_count + 1
      else
        lease_count = lease_count + 1
      end
      granted = 1
    end
  end
elseif is_expected then
  if leases[token] then
    lease_count = lease_count - 1
  end
  if streams[token] then
    stream_count = stream_count - 1
  end
  leases[token], streams[token], late[token] = nil, nil, nil
  if arg.c == 1 then
    s.succeeded = s.succeeded + 1
  elseif arg.c == 0 then
    s.failed = s.failed + 1
  end
  expire()
  judge()
end

-- Write what changed.
local function whole(n)
  return string.format('%.0f', n)
end
local after = {
  phase = s.phase, generation = whole(s.generation), attempt = whole(s.attempt), since = whole(s.since),
  ['until'] = whole(s.until_ms), cause = s.cause, succeeded = whole(s.succeeded), failed = whole(s.failed),
  name = arg.name ~= '' and arg.name or hash.name or '',
}
if m.sequence > 0 then
  after.mode_sequence = whole(m.sequence)
  after.mode = m.mode
  after.mode_until = whole(m.until_ms)
  after.mode_actor = m.actor
  after.mode_reason = m.reason
end
for name, ends in pairs(leases) do
  after['lease:' .. name] = whole(ends)
end
for name, ends in pairs(streams) do
  after['stream:' .. name] = whole(ends)
end
for name, at in pairs(late) do
  after['late:' .. name] = whole(at)
end
for name, r in pairs(reports) do
  after['node:' .. name] = string.format(
    '%.0f %.0f %.0f %.0f %.0f %.0f', r.generation, r.at, r.calls, r.failures, r.slow, r.connection_failures)
end
local set, del = {}, {}
for field, value in pairs(after) do
  if hash[field] ~= value then
    set[#set + 1] = field
    set[#set + 1] = value
  end
end
for field in pairs(hash) do
  if after[field] == nil then
    del[#del + 1] = field
  end
end
if #set > 0 then
  redis.call('HSET', key, unpack(set))
end
if #del > 0 then
  redis.call('HDEL', key, unpack(del))
end
-- Long enough for the longest state; a breaker that has been closed and idle so long has nothing to remember.
local keep = 3600000
keep = math.max(keep, s.until_ms - now + 3600000)
if m.mode ~= 'auto' and m.until_ms > 0 then
  keep = math.max(keep, m.until_ms - now + 3600000)
end
redis.call('PEXPIRE', key, whole(keep))

local late_count = 0
for _ in pairs(late) do
  late_count = late_count + 1
end
local reported
for _, r in pairs(reports) do
  reported = math.max(reported or 0, r.at)
end
local t = opened_for or totals()
return {
  s.phase, s.generation, s.attempt, math.max(0, now - s.since), math.max(0, s.until_ms - now), s.cause,
  lease_count + stream_count, s.succeeded, s.failed, t.calls, t.failures, t.slow, t.nodes, t.witnesses,
  m.sequence, m.mode, m.until_ms > 0 and math.max(0, m.until_ms - now) or 0, m.actor, m.reason,
  granted, lost, table.concat(transitions, ' '), now, after.name, late_count, reported and math.max(0, now - reported) or -1,
}
