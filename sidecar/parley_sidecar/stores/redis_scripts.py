"""The steps that must be atomic, in Lua. Each names the keys it is given; all of one call share a hash tag.

A value, lease or result under a tag's name is listed in the tag's index, a sorted set by the time when it ends, so that
erasing finds it. Only `erase` touches keys that it was not given: those of the index, which share the tag.

Where memory is full, a script is refused at its first write and has changed nothing; after that it may finish.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Script:
    """A script, and the hash under which the server remembers it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())


_LISTED: Final = """
local function listed(index, key, ttl_ms)
  if not index then return end
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now_ms)
  redis.call('ZADD', index, now_ms + ttl_ms, key)
  if redis.call('PTTL', index) < tonumber(ttl_ms) then redis.call('PEXPIRE', index, ttl_ms) end
end
"""

SET: Final = Script(f"""{_LISTED}
local value_key, index = KEYS[1], KEYS[2]
local value, ttl_ms = ARGV[1], ARGV[2]
redis.call('SET', value_key, value, 'PX', ttl_ms)
listed(index, value_key, ttl_ms)
""")

AGREE: Final = Script(f"""{_LISTED}
local value_key, index = KEYS[1], KEYS[2]
local value, ttl_ms = ARGV[1], ARGV[2]
local agreed = redis.call('GET', value_key)
if agreed then
  redis.call('PEXPIRE', value_key, ttl_ms)
else
  agreed = value
  redis.call('SET', value_key, value, 'PX', ttl_ms)
end
listed(index, value_key, ttl_ms)
return agreed
""")

TAKE: Final = Script(f"""{_LISTED}
local value_key, result_key, lease_key, index = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, lease_ms, is_awaited = ARGV[1], ARGV[2], ARGV[3] == '1'
local value = redis.call('GET', value_key) or (is_awaited and redis.call('GET', result_key))
if value then return {{value, false}} end
local holder = redis.call('GET', lease_key)
if holder then return {{false, holder}} end
redis.call('SET', lease_key, token, 'PX', lease_ms)
listed(index, lease_key, lease_ms)
return {{false, token}}
""")

RENEW: Final = Script(f"""{_LISTED}
local lease_key, index = KEYS[1], KEYS[2]
local token, lease_ms = ARGV[1], ARGV[2]
if redis.call('GET', lease_key) ~= token then return 0 end
redis.call('PEXPIRE', lease_key, lease_ms)
listed(index, lease_key, lease_ms)
return 1
""")

FINISH: Final = Script(f"""{_LISTED}
local lease_key, kept_key, index = KEYS[1], KEYS[2], KEYS[3]
local token, channel, result, ttl_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if redis.call('GET', lease_key) ~= token then return 0 end
redis.call('DEL', lease_key)
if result then
  redis.call('SET', kept_key, result, 'PX', ttl_ms)
  listed(index, kept_key, ttl_ms)
end
redis.call('PUBLISH', channel, token)
return 1
""")

OPEN_ROOM: Final = Script("""
local room = KEYS[1]
local meta, ttl_ms = ARGV[1], ARGV[2]
if redis.call('EXISTS', room) == 0 then redis.call('HSET', room, 'meta', meta, 'revision', 0, 'oldest', 1) end
redis.call('PEXPIRE', room, ttl_ms)
return redis.call('HGETALL', room)
""")

APPEND: Final = Script("""
local room, lease_key = KEYS[1], KEYS[2]
local token, revision, turn, turns, ttl_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if redis.call('HGET', room, 'revision') ~= revision or redis.call('GET', lease_key) ~= token then return 0 end
local new = revision + 1
redis.call('HSET', room, 'turn:' .. new, turn, 'revision', new)
local oldest = tonumber(redis.call('HGET', room, 'oldest'))
while oldest <= new - turns do
  redis.call('HDEL', room, 'turn:' .. oldest)
  oldest = oldest + 1
end
redis.call('HSET', room, 'oldest', oldest)
redis.call('PEXPIRE', room, ttl_ms)
return 1
""")

NUMBER: Final = Script("""
local room, ttl_ms = KEYS[1], ARGV[1]
if redis.call('EXISTS', room) == 0 then return false end
local numbered = {}
for at = 2, #ARGV, 3 do
  local name, counter, sealed = 'value:' .. ARGV[at], 'count:' .. ARGV[at + 1], ARGV[at + 2]
  local value = redis.call('HGET', room, name)
  if not value then
    value = redis.call('HINCRBY', room, counter, 1) .. ':' .. sealed
    redis.call('HSET', room, name, value)
  end
  numbered[#numbered + 1] = value
end
redis.call('PEXPIRE', room, ttl_ms)
return numbered
""")

ERASE: Final = Script("""
local room, lease_key, index = KEYS[1], KEYS[2], KEYS[3]
local was_there = redis.call('DEL', room)
for _, key in ipairs(redis.call('ZRANGE', index, 0, -1)) do redis.call('DEL', key) end
redis.call('DEL', lease_key, index)
return was_there
""")
