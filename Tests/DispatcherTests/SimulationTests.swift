// The dispatcher under faults, by seed. `TRUTHTABLE_SEED=n` repeats one, `TRUTHTABLE_SEEDS=n` runs more.
import Simulation
import Testing

@Suite struct SimulationTests {
    @Test(arguments: Seeds.chosen(count: 60)) func `the ledger balances after every step, and every job ends once`(seed: UInt64) {
        let world = World(seed: seed)
        world.run(steps: 2000)
        // Half of the worlds come to rest first: a job that is stuck would show. The others are stopped in full flight.
        if world.failure == nil, seed % 2 == 0 { world.calmDown() }
        if world.failure == nil { world.finish() }
        #expect(world.failure == nil, "TRUTHTABLE_SEED=\(seed)")
    }
}
