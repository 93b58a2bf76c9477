-- A chat request of about 1 KB, as an application sends it. Argument: how many KB the answer has.
local text

function init(arguments)
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["Authorization"] = "Bearer sk-bench-0123456789abcdef0123456789abcdef"
    local body = '{"model":"bench","messages":[{"role":"system","content":"' .. string.rep("Use the context. ", 40) .. '"},{"role":"user","content":"'
        .. string.rep("How long is it? ", 16) .. '"}]}'
    text = wrk.format("POST", "/" .. (arguments[1] or "1") .. "/v1/chat/completions", nil, body)
end

function request() return text end
