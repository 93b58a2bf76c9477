// `truthtable-auditor`.
import Role

runRole(AuditorRole.self)
