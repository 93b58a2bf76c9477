-- A chat request of about 1 KB, as an application sends it.
wrk.method = "POST"
wrk.path = "/v1/chat/completions"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-bench-0123456789abcdef0123456789abcdef"
wrk.body = '{"model":"bench","messages":[{"role":"system","content":"' .. string.rep("Use the context. ", 40) .. '"},{"role":"user","content":"'
    .. string.rep("How long is it? ", 16) .. '"}]}'
