// `truthtable-dispatcher`.
import Role

runRole(DispatcherRole.self)
