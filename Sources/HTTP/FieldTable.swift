// The fields of one head: a fixed table, and the first field of every known name. An own allocation, as reading one
// element of an `InlineArray` in a noncopyable struct copies all of it (0.1 µs each for this size, Swift 6.3).
// Leaves to others: what may follow what.

@usableFromInline
@safe struct FieldTable: ~Copyable {
    /// One entry per `FieldName`.
    private static let nameCapacity = 64

    @usableFromInline let fields: UnsafeMutablePointer<HeadField>
    /// The index of the first field of a name plus 1; 0 is none.
    @usableFromInline let firsts: UnsafeMutablePointer<UInt8>
    @usableFromInline let capacity: Int
    @usableFromInline private(set) var count = 0
    /// The names that came more than once; without them `nextIndex` would look through all fields.
    @usableFromInline private(set) var repeated = FieldNames.none

    /// `capacity` is at most 255: indices are kept in a byte.
    init(capacity: Int) {
        assert(FieldName.allCases.count <= Self.nameCapacity && capacity <= 255)
        self.capacity = capacity
        unsafe fields = .allocate(capacity: capacity)
        unsafe fields.initialize(repeating: HeadField(), count: capacity)
        unsafe firsts = .allocate(capacity: Self.nameCapacity)
        unsafe firsts.initialize(repeating: 0, count: Self.nameCapacity)
    }

    @inlinable deinit {
        unsafe fields.deallocate()
        unsafe firsts.deallocate()
    }

    @inline(__always)
    mutating func removeAll() {
        count = 0
        repeated = .none
        unsafe firsts.update(repeating: 0, count: Self.nameCapacity)
    }

    /// The caller checked that there is room.
    @inline(__always)
    mutating func append(_ field: HeadField) {
        precondition(count < capacity)
        unsafe fields[count] = field
        count &+= 1
        let name = Int(field.name.rawValue)
        if unsafe firsts[name] == 0 {
            unsafe firsts[name] = UInt8(truncatingIfNeeded: count)
        } else {
            repeated = repeated.with(field.name)
        }
    }

    @inlinable @inline(__always)
    subscript(index: Int) -> HeadField {
        precondition(index >= 0 && index < count)
        return unsafe fields[index]
    }

    mutating func markHopByHop(_ index: Int) {
        precondition(index >= 0 && index < count)
        unsafe fields[index].isHopByHop = true
    }

    @inlinable @inline(__always)
    func firstIndex(of name: FieldName) -> Int? {
        let index = unsafe firsts[Int(name.rawValue)]
        return index == 0 ? nil : Int(index) &- 1
    }

    @inlinable @inline(__always)
    func isRepeated(_ name: FieldName) -> Bool { repeated.contains(name) }

    @inlinable @inline(__always)
    func nextIndex(of name: FieldName, after index: Int) -> Int? {
        isRepeated(name) ? search(name, after: index) : nil
    }

    @usableFromInline @inline(never)
    func search(_ name: FieldName, after index: Int) -> Int? {
        var next = index &+ 1
        while next < count {
            if self[next].name == name { return next }
            next &+= 1
        }
        return nil
    }
}
