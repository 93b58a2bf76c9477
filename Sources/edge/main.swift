// `truthtable-edge`.
import Role

runRole(EdgeRole.self)
