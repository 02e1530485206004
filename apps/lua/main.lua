-- Runs and ends: what a script in a virtual machine of its own looks like.
local limit = tonumber(arg[1])
local composite, primes = {}, 0
for number = 2, limit do
  if not composite[number] then
    primes = primes + 1
    for multiple = number * number, limit, number do
      composite[multiple] = true
    end
  end
end
print(("%s on UniLinux: %d primes up to %d"):format(_VERSION, primes, limit))
os.exit(primes > 0 and 0 or 1)
