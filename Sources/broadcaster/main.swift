// `truthtable-broadcaster`.
import Role

runRole(BroadcasterRole.self)
