#!/usr/bin/env python3
"""Reads a siltstone store and checks all of it, written from SPEC.md alone. Numbers in brackets are its sections.

Prints the rows that count. Tears, notes and damage go to stderr. Exit codes: 0 whole (a tear is no damage), 2 no such
collection or snapshot, 3 damage, 4 written by a newer version. A collection in which rows or kills are damaged prints
no rows: without them nobody knows which rows count. Only in a frozen segment is damage passed over, as [12] asks.
"""
import argparse, json, re, struct, sys, zlib
from pathlib import Path
from types import SimpleNamespace
import blake3, numpy, zstandard

PAGE, SECTOR, BLOCK, MEBI = 4096, 512, 65536, 1 << 20
MAX_NUMBER = 1 << 62  # of commits, segments, generations, sequences and offsets
FEATURES = ("compatible", "read_only", "incompatible")
METRICS = {"cosine": 1, "dot": 2, "euclidean": 3}
ENDING = re.compile(rb',\n  "blake3": "([0-9a-f]{64})"\n}\n')
KINDS = {  # what a member of a document may be [10]
    "u32": lambda v: type(v) is int and 0 <= v < 1 << 32,
    "u64": lambda v: type(v) is int and 0 <= v < 1 << 64,
    "i64": lambda v: type(v) is int and -1 << 63 <= v < 1 << 63,
    "number": lambda v: type(v) is int and 0 <= v <= MAX_NUMBER,
    "from1": lambda v: type(v) is int and 1 <= v <= MAX_NUMBER,
    "dims": lambda v: type(v) is int and 1 <= v <= 8192,
    "id": lambda v: type(v) is str and re.fullmatch("[0-9a-f]{32}", v),
    "digest": lambda v: type(v) is str and re.fullmatch("[0-9a-f]{64}", v),
    "name": lambda v: type(v) is str and len(v) <= 128 and re.fullmatch(r"\.?[A-Za-z0-9_][A-Za-z0-9_.-]*", v),
    "field": lambda v: type(v) is str and len(v.encode("utf-8", "surrogatepass")) <= 256,
    "metric": lambda v: type(v) is str and v in METRICS,
    "state": lambda v: v in ("open", "sealed", "capped", "frozen"),
    "bool": lambda v: type(v) is bool, "list": lambda v: type(v) is list, "object": lambda v: type(v) is dict}
IDENTITY = "provider:field model:field chunker:field dims:dims metric:metric normalised:bool"
STATES = {"open": "", "sealed": "bytes:number rows:number last_commit:number digest:digest",
          "capped": "bytes:number rows:number last_commit:number digest:digest cap:from1",
          "frozen": "end_bytes:number last_commit:number chain:digest"}


class Damage(Exception):
    """A rule that a file breaks, and where."""


class Newer(Exception):
    """A file of a later version of the format, which is no damage."""


class File:
    """The bytes of one file, and the collection and segment that seed its checksums [4]."""

    def __init__(self, path, collection=bytes(16), segment=0):
        self.path, self.seed = path, collection + struct.pack("<Q", segment)
        try:
            self.data = path.read_bytes()
        except OSError as error:
            raise Damage(f"{path}: cannot be read: {error.strerror}")

    def damage(self, at, length, why):
        return Damage(f"{self.path}: offset {at}, {length} bytes: {why}")

    def need(self, holds, at, length, why):
        if not holds:
            raise self.damage(at, length, why)

    def part(self, at, length, what):
        self.need(0 <= at and at + length <= len(self.data), at, length, f"{what} lies outside the file")
        return self.data[at:at + length]

    def crc(self, at, length):
        return zlib.crc32(self.part(at, length, "a checksummed part"), zlib.crc32(self.seed + struct.pack("<Q", at)))

    def zeros(self, at, end, what):
        self.need(not any(self.data[at:end]), at, end - at, f"{what} are not zeros")

    def same(self, at, expected, what):
        """Compares bytes that follow from others, and points at the first that differs."""
        found = self.part(at, len(expected), what)
        if found != expected:
            first = next(i for i in range(len(expected)) if found[i] != expected[i])
            raise self.damage(at + first, 1, f"{what} is not what it has to be")

    def array(self, at, count, kind):
        return numpy.frombuffer(self.part(at, count * numpy.dtype(kind).itemsize, "a table"), kind)


class Structure:
    """A fixed structure [3]: magic, fields, reserved zeros, CRC."""

    def __init__(self, what, size, magic, fields):
        self.what, self.size, self.magic = what, size, magic
        self.names, kinds = zip(*(field.split(":") for field in fields.split()))
        self.fields = struct.Struct("<8x" + "".join(kinds))

    def read(self, file, at, judge=lambda fields: None):
        raw = file.part(at, self.size, self.what)
        file.need(raw[:8] == self.magic, at, self.size, f"no magic of a {self.what}")
        stored = struct.unpack("<I", raw[-4:])[0]
        file.need(file.crc(at, self.size - 4) == stored, at, self.size, f"CRC of the {self.what}")
        fields = SimpleNamespace(**dict(zip(self.names, self.fields.unpack_from(raw))))
        judge(fields)  # the version comes before reserved bytes, which a later one may use [16]
        numbers = [value for name, value in vars(fields).items() if type(value) is int and name not in FEATURES]
        file.need(max(numbers) <= MAX_NUMBER, at, self.size, f"a number in the {self.what} is beyond its limit")
        file.zeros(at + self.fields.size, at + self.size - 4, f"reserved bytes of the {self.what}")
        return fields


SEGMENT = Structure("segment header", 256, b"SILTSEG1", "version:I header_bytes:I compatible:Q read_only:Q "
                    "incompatible:Q collection:16s segment:Q previous_segment:Q previous_chain:32s base_commit:Q "
                    "created_at_ms:q dims:I metric:I element:I identity_bytes:I identity_crc:I")
FRAME = Structure("frame header", 256, b"SILTFRM1", "frame_bytes:Q commit:Q committed_at_ms:q previous_chain:32s "
                  "first_row:I rows:I keys:I kills:I key_bytes:I metadata_raw:I metadata_stored:I metadata_blocks:I "
                  "text_raw:I text_stored:I text_blocks:I part:I last:I index_crc:I")
TRAILER = Structure("frame trailer", 64, b"SILTEND1", "frame_bytes:Q commit:Q chain:32s part:I")
FOOTER = Structure("footer header", 128, b"SILTFOOT", "footer_bytes:Q frames:Q kills:Q rows:Q first_commit:Q "
                   "last_commit:Q frames_end:Q chain:32s")
SEAL = Structure("seal", 64, b"SILTSEAL", "footer_bytes:Q digest:32s")
WITNESS = Structure("witness slot", 512, b"SILTWIT1", "collection:16s sequence:Q segment:Q commit:Q end_bytes:Q "
                    "chain:32s")
KEY_INDEX = Structure("key index header", 4096, b"SILTKEY1", "collection:16s segment:Q digest:32s entries:Q")


def digest(data):
    return blake3.blake3(data).digest()


def round_up(a, b):
    return -(-a // b) * b


CAPPED_SEGMENTS = 1  # the one incompatible feature of manifests that is known [16]


def judge_version(path, version, incompatible, known=0):
    if version > 1 or incompatible & ~known:
        raise Newer(f"{path}: version {version}, incompatible features {incompatible:#x}; this reader knows version 1")
    if version == 0:
        raise Damage(f"{path}: offset 8, 4 bytes: version 0")


def no_constant(word):
    raise ValueError(f"{word} is not JSON")


def no_twins(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def parse(file, at, raw):
    """The JSON object in these bytes."""
    try:
        value = json.loads(raw.decode(), object_pairs_hook=no_twins, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise file.damage(at, len(raw), f"not JSON: {error}")
    file.need(type(value) is dict, at, len(raw), "not a JSON object")
    return value


def members(file, holder, wanted):
    """Checks the types of the named members and returns those alone; others may be there and mean nothing."""
    file.need(type(holder) is dict, 0, len(file.data), "not an object where one has to be")
    for name, kind in (each.split(":") for each in wanted.split()):
        right = name in holder and KINDS[kind](holder[name])
        file.need(right, 0, len(file.data), f"member {name} is missing or not a {kind}")
    return SimpleNamespace(**{each.split(":")[0]: holder[each.split(":")[0]] for each in wanted.split()})


def listed(file, holder, name, wanted, *distinct):
    """The objects of an array: sorted by the first of the distinct members, in each of which all differ."""
    items = [members(file, item, wanted) for item in holder[name]]
    for member in distinct:
        values = [getattr(item, member) for item in items]
        file.need(len(set(values)) == len(values), 0, len(file.data), f"two {name} have the same {member}")
    values = [getattr(item, distinct[0]) for item in items]
    file.need(values == sorted(values), 0, len(file.data), f"{name} are not sorted by {distinct[0]}")
    return items


def document(path, what, wanted):
    """A catalogue, manifest or snapshot, its envelope checked [10]."""
    file = File(path)
    size = len(file.data)
    file.need(83 <= size <= 64 * MEBI, 0, size, "no length for a document")
    ending = ENDING.fullmatch(file.data[-83:])
    file.need(ending, size - 83, 83, "no ending of a document")
    file.need(digest(file.data[:-83]).hex() == ending[1].decode(), 0, size, "BLAKE3 of the document")
    raw = parse(file, 0, file.data)
    file.need(list(raw)[-1] == "blake3", size - 83, 83, "the last member is not blake3")
    file.need(raw.get("format") == f"siltstone {what}", 0, size, f"format is not siltstone {what}")
    version = members(file, raw, "version:u32").version
    features = 0
    if what == "manifest" and version == 1:
        object_ = members(file, raw, "features:object").features
        features = members(file, object_, "compatible:u64 read_only:u64 incompatible:u64").incompatible
    judge_version(path, version, features, CAPPED_SEGMENTS if what == "manifest" else 0)
    fields = members(file, raw, wanted)
    fields.blake3 = ending[1].decode()
    return file, raw, fields


def read_witness(directory, collection, report):
    """The slot that counts [8], or one that promises nothing."""
    nothing = SimpleNamespace(segment=0, commit=0, end_bytes=0, chain=bytes(32), sequence=0)
    path = directory / "witness"
    if not path.exists():
        report.note(f"{path}: missing, so a lost tail would not be noticed")
        return nothing
    slots = []
    report.attempt(lambda: read_slots(File(path, collection), collection, slots, report))
    return max(slots, key=lambda slot: slot.sequence, default=nothing)


def read_slots(file, collection, slots, report):
    file.need(len(file.data) == 1024, 0, len(file.data), "a witness has 1024 bytes")
    for at in (0, 512):
        report.attempt(lambda: slots.append(read_slot(file, at, collection)))


def read_slot(file, at, collection):
    slot = WITNESS.read(file, at)
    file.need(slot.collection == collection, at + 8, 16, "the witness of another collection")
    right = slot.sequence >= 1 and at == 512 * (slot.sequence % 2)
    file.need(right, at + 24, 8, "the sequence belongs in the other slot")
    return slot


class Segment:
    """One segment file: its header page, and the frames up to where it counts."""

    def __init__(self, collection, number):
        self.number, self.collection, self.gaps = number, collection, []
        path = collection.directory / f"segment-{number:08}.seg"
        self.file = File(path)  # the header page is seeded with zeros [4]
        self.header = self.read_page()
        self.file.seed = collection.id + struct.pack("<Q", number)
        self.chain0 = digest(self.file.data[:PAGE])
        self.dims, self.base = self.header.dims, self.header.base_commit

    def read_page(self):
        file, wanted = self.file, self.collection.identity
        header = SEGMENT.read(file, 0, lambda h: judge_version(file.path, h.version, h.incompatible))
        file.part(0, PAGE, "header page")
        file.need(header.header_bytes == PAGE, 12, 4, "the header page has 4096 bytes")
        file.need(header.collection == self.collection.id, 40, 16, "a segment of another collection")
        file.need(header.segment == self.number, 56, 8, "the number is not the one in the file's name")
        file.need(header.previous_segment < self.number, 64, 8, "a predecessor that comes later")
        first = header.previous_segment == 0
        file.need(not first or header.previous_chain == bytes(32), 72, 32, "a chain digest but no predecessor")
        file.need(header.dims == wanted.dims, 120, 4, "other dims than the manifest's")
        file.need(header.metric == METRICS[wanted.metric], 124, 4, "another metric than the manifest's")
        file.need(header.element == 1, 128, 4, "an unknown type of element")
        length = header.identity_bytes
        file.need(length <= PAGE - 256, 132, 4, "the identity document is too long")
        file.need(file.crc(256, length) == header.identity_crc, 256, length, "CRC of the identity document")
        file.zeros(256 + length, PAGE, "bytes after the identity document")
        raw = parse(file, 256, file.data[256:256 + length])
        said = members(file, raw, "name:name identity:object")
        same = members(file, said.identity, IDENTITY) == wanted
        file.need(same, 256, length, "another identity than the manifest's")
        self.replaces, least = raw.get("replaces", []), 1
        for pair in self.replaces:
            right = type(pair) is list and [type(number) for number in pair] == [int, int]
            right = right and least <= pair[0] <= pair[1] < self.number
            file.need(right, 256, length, "ranges of replaced segments")
            least = pair[1] + 2
        file.need(len(self.replaces) <= 32, 256, length, "too many ranges of replaced segments")
        return header

    def walk(self, limit, durable, report=None):
        """Walks the frames up to limit [12]; those past durable are hashed before they are believed. With a report,
        damage is told there and passed over. Returns what stopped the walk, if something did."""
        state = SimpleNamespace(at=PAGE, chain=self.chain0, row=0, commit=self.base, part=None)
        stop, frames = None, []
        while state.at < limit and not stop:
            try:
                frame = Frame(self, state, limit)
                if frame.end > durable:
                    frame.read_contents()
                frames.append(frame)
                frame.advance(state)
            except Damage as damage:
                self.settle(frames)
                stop = None if report and self.pass_over(state, limit, damage, report) else damage
        self.settle(frames)
        return stop

    def settle(self, frames):
        """Only whole commits count."""
        while frames and not frames[-1].last:
            frames.pop()
        self.frames = frames
        self.end = frames[-1].end if frames else PAGE
        self.commit = frames[-1].commit if frames else self.base
        self.chain = frames[-1].chain if frames else self.chain0
        self.rows = frames[-1].first_row + frames[-1].rows if frames else 0

    def pass_over(self, state, limit, damage, report):
        """Looks for the next good frame that begins a later commit, and lets the walk begin anew there."""
        for at in range(state.at, limit - FRAME.size + 1, SECTOR):
            try:
                header = FRAME.read(self.file, at)
                if header.part == 0 and header.commit > self.commit and header.first_row >= state.row:
                    anew = SimpleNamespace(at=at, chain=header.previous_chain, row=header.first_row,
                                           commit=header.commit - 1, part=None)
                    Frame(self, anew, limit).read_contents()
                    report.damage(self.file.damage(self.end, at - self.end, f"passed over ({damage})"))
                    self.gaps.append(range(self.rows, header.first_row))
                    vars(state).update(vars(anew))
                    return True
            except Damage:
                pass
        return False

    def walk_exactly(self, end, commit, chain, what):
        stop = self.walk(end, end)
        if stop:
            raise stop
        found = (self.end, self.commit, self.chain.hex())
        self.file.need(found == (end, commit, chain), end, 0, f"not the end, commit and chain digest of the {what}")

    def read_frozen(self, entry, report):
        stop = self.walk(entry.end_bytes, entry.end_bytes, report)
        if stop:
            raise stop
        found = (self.end, self.chain.hex()) == (entry.end_bytes, entry.chain)
        self.file.need(found, entry.end_bytes, 0, "not the end and chain digest of the manifest")
        self.file.need(self.commit <= entry.last_commit, entry.end_bytes, 0, "a later commit than the manifest's")
        rest = len(self.file.data) - self.end
        if rest or self.commit < entry.last_commit:
            lost = f"frozen after commit {self.commit}, though there was more, up to commit {entry.last_commit}"
            report.damage(self.file.damage(self.end, rest, lost))

    def read_open(self, witness, report):
        here = witness.segment == self.number
        stop = self.walk(len(self.file.data), witness.end_bytes if here else 0)
        rest, cause = len(self.file.data) - self.end, f" ({stop})" if stop else ""
        if here and (self.end < witness.end_bytes or self.commit < witness.commit):
            lost = f"good only up to here, but durable up to {witness.end_bytes}, commit {witness.commit}{cause}"
            raise self.file.damage(self.end, max(rest, witness.end_bytes - self.end), lost)
        if here:
            self.check_place(witness.end_bytes, witness.commit, witness.chain, "witness")
        if rest:
            later = self.later_frame()
            self.file.need(not later, self.end, rest, f"not good, yet a later frame lies at {later}{cause}")
            self.file.need(witness.segment <= self.number, self.end, rest, f"the witness promises more{cause}")
            report.tear(f"{self.file.path}: offset {self.end}, {rest} bytes: an unfinished write{cause}")

    def check_place(self, end, commit, chain, what):
        """At end there has to be the end of this commit, with this chain digest."""
        places = [(f.end, f.commit, f.chain) for f in self.frames if f.last] + [(PAGE, self.base, self.chain0)]
        self.file.need((end, commit, chain) in places, end, 0, f"not the end, commit and chain digest of the {what}")

    def later_frame(self):
        """A frame after the end that is too late to belong to the commit that was being written [12]."""
        for at in range(self.end, len(self.file.data) - FRAME.size + 1, SECTOR):
            try:
                if FRAME.read(self.file, at).commit >= self.commit + 2:
                    return at
            except Damage:
                pass
        return None

    def read_sealed(self, entry=None):
        """Seal, footer and frames [7]; the manifest's entry when it lists the segment."""
        file, size = self.file, len(self.file.data)
        if entry:
            file.need(size == entry.bytes, 0, size, f"the manifest says {entry.bytes} bytes")
        seal_at = size - SEAL.size
        seal = SEAL.read(file, seal_at)
        at = size - seal.footer_bytes
        file.need(PAGE <= at <= seal_at - FOOTER.size, seal_at + 8, 8, "no place for a footer")
        footer = FOOTER.read(file, at)
        length = round_up(128 + 32 * footer.frames + 24 * footer.kills + 64, SECTOR)
        file.need(footer.frames <= 67108864, at + 16, 8, "too many frames")
        file.need(footer.footer_bytes == seal.footer_bytes == length, at + 8, 8, "length of the footer")
        file.need(digest(file.data[at:seal_at]) == seal.digest, at, seal_at - at, "BLAKE3 of the footer")
        file.need(footer.frames_end == at, at + 56, 8, "the footer does not begin where the frames end")
        self.digest = seal.digest
        if entry:
            said = (entry.rows, entry.last_commit, entry.digest)
            file.need((footer.rows, footer.last_commit, seal.digest.hex()) == said, at, length, "not the manifest's")
        self.walk_exactly(at, footer.last_commit if footer.frames else self.base, footer.chain.hex(), "footer")
        self.check_footer(at, seal_at, footer)

    def check_footer(self, at, seal_at, footer):
        frames, file = self.frames, self.file
        for frame in frames:
            frame.read_tables()
        kills = [(kill, frame.commit) for frame in frames for kill in frame.kill_list]
        sums = (len(frames), len(kills), self.rows)
        file.need((footer.frames, footer.kills, footer.rows) == sums, at + 16, 24, "the footer counts otherwise")
        commits = (frames[0].commit, frames[-1].commit) if frames else (0, 0)
        file.need((footer.first_commit, footer.last_commit) == commits, at + 40, 16, "first and last commit")
        body = b"".join(struct.pack("<QQIIII", f.at, f.commit, f.first_row, f.rows, f.kills, f.last) for f in frames)
        body += b"".join(struct.pack("<QQII", kill[0], commit, kill[1], 0) for kill, commit in kills)
        file.same(at + 128, body.ljust(seal_at - at - 128, b"\0"), "a footer entry, or a zero after them,")

    def check_key_index(self, report):
        """The key index follows from the segment [9], so it is made again and compared."""
        path = self.file.path.with_suffix(".keys")
        if not path.exists():
            report.note(f"{path}: missing; it can be made again")
            return
        file = File(path, self.collection.id, self.number)
        header = KEY_INDEX.read(file, 0)
        file.need(header.collection == self.collection.id, 8, 16, "the key index of another collection")
        file.need(header.segment == self.number, 24, 8, "the key index of another segment")
        file.need(header.digest == self.digest, 32, 32, "made from a segment with another digest")
        file.need(header.entries == self.rows, 64, 8, "not as many entries as rows")
        rows = [row for frame in self.frames for row in frame.row_list]
        hashes = (int.from_bytes(digest(row.key.encode())[:8], "little") for row in rows)
        entries = [struct.pack("<QI", *entry) for entry in sorted((hash_, i) for i, hash_ in enumerate(hashes))]
        blocks = -(-len(entries) // 341)
        file.need(len(file.data) == PAGE * (1 + blocks), 0, len(file.data), "length of the key index")
        for block in range(blocks):
            at = PAGE * (1 + block)
            stored = struct.unpack_from("<I", file.data, at + PAGE - 4)[0]
            file.need(file.crc(at, PAGE - 4) == stored, at, PAGE, "CRC of a key index block")
            expected = b"".join(entries[341 * block:341 * (block + 1)])
            file.same(at, expected.ljust(PAGE - 4, b"\0"), "a key index entry")


class Frame:
    """One frame [6]. Header and trailer are read at once, the rest when it is asked for."""

    def __init__(self, segment, state, limit):
        self.file, self.dims, self.metric, self.at = segment.file, segment.dims, segment.header.metric, state.at
        self.__dict__.update(vars(FRAME.read(self.file, self.at)))
        self.check_header(limit)
        self.check_place(state)
        trailer = TRAILER.read(self.file, self.end - 64)
        repeated = (trailer.frame_bytes, trailer.commit, trailer.part) == (self.frame_bytes, self.commit, self.part)
        self.need(repeated, self.end - 64, 64, "the trailer does not repeat the header")
        self.chain, self.row_list, self.tables_read = trailer.chain, None, False
        self.segment = segment.number

    def need(self, holds, at, length, why):
        self.file.need(holds, at, length, why)

    def check_header(self, limit):
        R, K, L = self.rows, self.keys, self.kills
        rules = {
            "counts of rows, keys and kills": R <= K <= R + L and R <= MEBI and L <= MEBI,
            "too many rows in the segment": self.first_row + R < 1 << 32,
            "commit or last": self.commit >= 1 and self.last <= 1,
            "metadata blocks": self.metadata_blocks == -(-self.metadata_raw // BLOCK),
            "text blocks": self.text_blocks == -(-self.text_raw // BLOCK),
            "too much metadata or text": max(self.metadata_raw, self.text_raw) <= 1 << 30}
        for what, holds in rules.items():
            self.need(holds, self.at, FRAME.size, f"frame header: {what}")
        self.index = self.at + 256 + 4 * self.dims * R
        self.kills_at = self.index + 20 * R + 8 * K
        self.blocks_at = self.kills_at + 16 * L
        self.keys_at = self.blocks_at + 16 * (self.metadata_blocks + self.text_blocks)
        self.metadata_at = self.keys_at + self.key_bytes
        self.text_at = self.metadata_at + self.metadata_stored
        self.zeros_at = self.text_at + self.text_stored
        self.end = self.at + self.frame_bytes
        length = round_up(self.zeros_at - self.at + 64, SECTOR)
        self.need(self.frame_bytes == length <= 1 << 30, self.at + 8, 8, "length of the frame")
        self.need(self.end <= limit, self.at, self.frame_bytes, "the frame ends beyond the end")

    def check_place(self, state):
        """The frame has to continue what was walked so far [12]."""
        self.need(self.previous_chain == state.chain, self.at + 32, 32, "chain digest of what comes before")
        self.need(self.first_row == state.row, self.at + 64, 4, "first row")
        expected = (state.commit + 1, 0) if state.part is None else (state.commit, state.part + 1)
        self.need((self.commit, self.part) == expected, self.at, FRAME.size, "commit or part out of order")

    def advance(self, state):
        state.at, state.chain, state.row = self.end, self.chain, state.row + self.rows
        state.commit, state.part = self.commit, None if self.last else self.part

    def read_contents(self):
        """Chain digest, index, kills, keys and payload."""
        if self.row_list is None:
            length = self.frame_bytes - 64
            found = digest(self.file.data[self.at:self.end - 64])
            self.need(found == self.chain, self.at, length, "BLAKE3 of the frame")
            self.file.zeros(self.zeros_at, self.end - 64, "bytes before the trailer")
            self.read_tables()
            metadata = self.run(self.blocks_at, self.metadata_blocks, self.metadata_at, self.metadata_stored,
                                self.metadata_raw)
            texts = self.run(self.blocks_at + 16 * self.metadata_blocks, self.text_blocks, self.text_at,
                             self.text_stored, self.text_raw)
            self.row_list = list(self.join_rows(metadata, texts))

    def read_tables(self):
        """The index, which says where everything is, and the keys."""
        if self.tables_read:
            return
        R, K, at = self.rows, self.keys, self.index
        self.need(self.file.crc(at, self.keys_at - at) == self.index_crc, at, self.keys_at - at, "CRC of the index")
        self.row_crc = self.file.array(at, R, "<u4")
        self.norms = self.file.array(at + 4 * R, R, "<f8")
        self.metadata_ends = self.ends(at + 12 * R, R, self.metadata_raw, 65536)
        self.text_ends = self.ends(at + 16 * R, R, self.text_raw, 4 * MEBI)
        self.kill_list = list(struct.iter_unpack("<QII", self.file.data[self.kills_at:self.blocks_at]))
        for i, (segment, _, key) in enumerate(self.kill_list):
            right = 1 <= segment <= MAX_NUMBER and key < K
            self.need(right, self.kills_at + 16 * i, 16, "a kill of no segment or with no key")
        self.read_keys(self.ends(at + 20 * R, K, self.key_bytes, 1024), self.file.array(at + 20 * R + 4 * K, K, "<u4"))
        self.tables_read = True

    def ends(self, at, count, total, longest):
        ends = numpy.concatenate([[0], self.file.array(at, count, "<u4").astype(numpy.int64)])
        lengths = numpy.diff(ends)
        self.need((lengths >= 0).all() and ends[-1] == total, at, 4 * count, "ends fall, or miss the section's end")
        self.need((lengths <= longest).all(), at, 4 * count, f"longer than {longest} bytes")
        return ends.tolist()

    def read_keys(self, ends, crcs):
        self.key_list = []
        for i, crc in enumerate(crcs):
            at, length = self.keys_at + ends[i], ends[i + 1] - ends[i]
            self.need(length > 0, at, 0, "an empty key")
            self.need(self.file.crc(at, length) == crc, at, length, "CRC of a key")
            self.key_list.append(self.utf8(self.file.data[at:at + length], at, length))
        distinct = len(set(self.key_list[:self.rows])) == self.rows
        self.need(distinct, self.keys_at, self.key_bytes, "two rows of a frame have the same key")

    def utf8(self, raw, at, length):
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self.file.damage(at, length, "not UTF-8")

    def run(self, entries_at, blocks, at, stored_total, raw_total):
        """The metadata or the text of all rows, its blocks checked and decompressed."""
        raw, end = [], at + stored_total
        for i in range(blocks):
            stored, length, codec, crc = struct.unpack_from("<4I", self.file.data, entries_at + 16 * i)
            self.need(length == min(BLOCK, raw_total - BLOCK * i), entries_at + 16 * i, 16, "raw length of a block")
            self.need(at + stored <= end, entries_at + 16 * i, 16, "a block outside its section")
            self.need(self.file.crc(at, stored) == crc, at, stored, "CRC of a block")
            raw.append(self.block(at, stored, length, codec))
            at += stored
        self.need(at == end, at, end - at, "the blocks do not fill their section")
        return b"".join(raw)

    def block(self, at, stored, length, codec):
        data = self.file.data[at:at + stored]
        if codec == 0:
            self.need(stored == length, at, stored, "length of a block that is stored as it is")
            return data
        self.need(codec == 1 and stored < length, at, stored, "an unknown codec, or zstd that wins nothing")
        try:
            header = zstandard.get_frame_parameters(data)
            self.need((header.content_size, header.dict_id) == (length, 0), at, stored, "header of a zstd frame")
            raw = zstandard.ZstdDecompressor().decompress(data, max_output_size=length, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise self.file.damage(at, stored, f"zstd: {error}")
        self.need(len(raw) == length, at, stored, "zstd gives another length")
        return raw

    def join_rows(self, metadata, texts):
        vectors = self.file.data
        for i in range(self.rows):
            said = metadata[self.metadata_ends[i]:self.metadata_ends[i + 1]]
            text = texts[self.text_ends[i]:self.text_ends[i + 1]]
            at = self.at + 256 + 4 * self.dims * i
            yield SimpleNamespace(key=self.key_list[i], vector=vectors[at:at + 4 * self.dims], commit=self.commit,
                                  metadata=self.metadata(said), text=self.utf8(text, self.text_at, self.text_stored))

    def metadata(self, raw):
        """The text of the JSON object. Only its form is checked: numbers may be too large for any type."""
        if not raw:
            return None
        place = self.metadata_at, self.metadata_stored
        said = self.utf8(raw, *place)
        try:
            right = type(json.loads(said, parse_int=float, parse_constant=no_constant)) is dict
        except ValueError:
            right = False
        except RecursionError:  # nested deeper than this parser can follow: nothing that SPEC.md forbids
            right = said.lstrip(" \t\r\n").startswith("{")
        self.need(right, *place, "metadata that is not a JSON object")
        return said

    def check_rows(self):
        """Every row against its CRC, its elements, and its squared norm."""
        size, first = 4 * self.dims, self.at + 256
        for i, crc in enumerate(self.row_crc):
            self.need(self.file.crc(first + size * i, size) == crc, first + size * i, size, "CRC of a row")
        vectors = self.file.array(first, self.rows * self.dims, "<f4").reshape(self.rows, self.dims)
        norms = squared_norms(vectors)
        rules = [("an element is not finite", numpy.isfinite(vectors).all(axis=1)),
                 ("squared norm", norms.view(numpy.uint64) == self.norms.view("<u8"))]
        if self.metric == METRICS["cosine"]:
            rules.append(("all zeros, under the cosine metric", (vectors != 0).any(axis=1)))
        for what, holds in rules:
            for i in numpy.flatnonzero(~holds):
                raise self.file.damage(first + size * int(i), size, f"a row: {what}")


def squared_norms(vectors):
    """Eight sums in rising order, then a fixed tree: the bits are prescribed [6]."""
    squares = vectors.astype(numpy.float64) ** 2
    s = numpy.zeros((8, len(vectors)))
    for i in range(vectors.shape[1]):
        s[i % 8] += squares[:, i]
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]))


def moment(segments):
    """The rows that count in a moment [11], in the order of the file. The argument is pairs of segment and last
    commit that counts. The commits are played back one by one, so every earlier moment is checked too."""
    known = {segment.number: ({}, segment.gaps) for segment, _ in segments}
    gaps = any(segment.gaps for segment, _ in segments)
    live, places, touched = {}, {}, set()
    for segment, cap in segments:
        for frame in (each for each in segment.frames if each.commit <= cap):
            for i, kill in enumerate(frame.kill_list):
                check_kill(frame, i, kill, known)
                if kill[:2] in live:
                    places[live.pop(kill[:2]).key].remove(kill[:2])
            for i, row in enumerate(frame.row_list):
                row.place = place = segment.number, frame.first_row + i
                known[segment.number][0][place[1]] = live[place] = row
                places.setdefault(row.key, []).append(place)
                touched.add(row.key)
            for key in touched if frame.last else ():
                twice = len(places[key]) > 1
                segment.file.need(gaps or not twice, frame.at, frame.frame_bytes, f"two rows count for the key {key!r}")
                for place in places[key][:-1]:  # a kill was lost with a damaged frame: the later row counts [12]
                    del live[place]
                places[key] = places[key][-1:]
            touched = set() if frame.last else touched
    return list(live.values())


def check_kill(frame, i, kill, known):
    segment, row, key = kill
    if segment in known:
        rows, gaps = known[segment]
        at = frame.kills_at + 16 * i
        # Rows are known from what was played back, so one that is known lies before this frame.
        lost = any(row in gap for gap in gaps)
        frame.need(row in rows or lost, at, 16, "a kill of a row that is not there, or not before it")
        frame.need(lost or rows[row].key == frame.key_list[key], at, 16, "a kill with another key than the row's")


class Collection:
    """One collection: manifest, witness, segments, snapshots. Everything is checked while it is opened."""

    def __init__(self, store, name, identifier, directory, report):
        self.name, self.id, self.report = name, bytes.fromhex(identifier), report
        self.directory = store / "collections" / directory
        self.segments, self.extra, self.snapshots, self.usable = {}, {}, {}, True
        self.read_manifest(identifier)
        self.witness = read_witness(self.directory, self.id, report)
        self.states = {entry.segment: entry for entry in self.entries}
        for entry in self.entries:
            self.guard(lambda: self.read_segment(entry))
        self.guard(self.check_succession)
        self.check_witness()
        self.current = []
        if self.usable:
            segments = [(each, getattr(self.states[each.number], "cap", each.commit)) for each in self.segments.values()]
            report.attempt(lambda: self.current.extend(moment(segments)))
        for entry in self.snapshot_entries:
            report.attempt(lambda: self.read_snapshot(identifier, entry))

    def guard(self, step):
        if not self.report.attempt(step):
            self.usable = False

    def read_manifest(self, identifier):
        names = [path.name for path in self.directory.glob("manifest-*.json")]
        numbers = [re.fullmatch(r"manifest-(\d{8}|[1-9]\d{8,19})\.json", name, re.ASCII) for name in names]
        generation = max((int(number[1]) for number in numbers if number), default=0)
        if not generation:
            raise Damage(f"{self.directory}: no manifest")
        file, raw, manifest = document(
            self.directory / f"manifest-{generation:08}.json", "manifest", "collection:id name:name generation:from1 "
            "created_at_ms:i64 identity:object segments:list snapshots:list next_segment:from1")
        size = len(file.data)
        file.need(manifest.collection == identifier, 0, size, "the manifest of another collection")
        file.need(manifest.generation == generation, 0, size, "the generation is not the one in the file's name")
        self.identity = members(file, manifest.identity, IDENTITY)
        self.entries = listed(file, raw, "segments", "segment:from1 state:state", "segment")
        for entry, member in zip(self.entries, raw["segments"]):
            file.need(entry.state != "open" or entry is self.entries[-1], 0, size, "an open segment before the last")
            file.need(entry.segment < manifest.next_segment, 0, size, "next_segment was used already")
            entry.__dict__.update(vars(members(file, member, STATES[entry.state])))
            if entry.state == "capped":
                told = raw["features"]["incompatible"] & CAPPED_SEGMENTS
                file.need(told and entry.cap < entry.last_commit, 0, size, "a cap that hides nothing, or is not told")
        self.next_segment, least = manifest.next_segment, 1
        for number in raw.get("retired", []):
            right = type(number) is int and least <= number < self.next_segment
            file.need(right and all(entry.segment != number for entry in self.entries), 0, size, "retired segments")
            least = number + 1
        self.snapshot_entries = listed(file, raw, "snapshots", "name:name file:from1 digest:digest", "name")
        early = all(entry.file <= generation for entry in self.snapshot_entries)
        file.need(early, 0, size, "a snapshot of a later generation")

    def read_segment(self, entry):
        segment = Segment(self, entry.segment)
        if entry.state == "open":
            segment.read_open(self.witness, self.report)
        elif entry.state == "frozen":
            segment.read_frozen(entry, self.report)
        else:
            segment.read_sealed(entry)
        for frame in segment.frames:
            frame.read_contents()
            frame.check_rows()
        if entry.state == "capped":
            is_commit = entry.cap in (frame.commit for frame in segment.frames)
            segment.file.need(is_commit, segment.end, 0, "the cap is none of its commits")
        if entry.state in ("sealed", "capped"):
            self.report.attempt(lambda: segment.check_key_index(self.report))
        self.segments[entry.segment] = segment

    def check_succession(self):
        """A segment continues the one before it: chain digest and commit numbers [5, 11]."""
        last = 0
        for number, segment in self.segments.items():
            header, file = segment.header, segment.file
            before = self.segments.get(header.previous_segment)
            right = before is None or header.previous_chain == before.chain
            file.need(right, 72, 32, "not the chain digest at the end of the predecessor")
            gone = [n for n in self.segments if any(first <= n <= end for first, end in segment.replaces)]
            file.need(not gone, 256, header.identity_bytes, f"replaces segments that count: {gone}")
            # A compacted segment is as of an earlier commit: the last one of what it replaces.
            early = bool(segment.replaces) or header.base_commit >= last
            file.need(early, 104, 8, "commit numbers of an earlier segment")
            last = max(segment.commit, getattr(self.states[number], "last_commit", 0))

    def check_witness(self):
        """The witness against sealed segments; an open one was judged by it when it was read."""
        witness, path = self.witness, self.directory / "witness"
        if witness.segment >= self.next_segment:
            self.report.damage(Damage(f"{path}: offset 32, 8 bytes: names segment {witness.segment}, which is gone"))
        if witness.segment in self.segments and self.states[witness.segment].state in ("sealed", "capped"):
            segment = self.segments[witness.segment]
            place = witness.end_bytes, witness.commit, witness.chain, "witness"
            self.guard(lambda: segment.check_place(*place))

    def read_snapshot(self, identifier, entry):
        path = self.directory / f"snapshot-{entry.file:08}.json"
        file, raw, said = document(
            path, "snapshot", "collection:id name:name created_at_ms:i64 commit:number segments:list")
        size = len(file.data)
        file.need(said.blake3 == entry.digest, size - 83, 83, "not the digest in the manifest")
        file.need(said.name == entry.name, 0, size, "not the name in the manifest")
        file.need(said.collection == identifier, 0, size, "the snapshot of another collection")
        cap = "segment:from1 last_commit:number end_bytes:number chain:digest"
        caps = listed(file, raw, "segments", cap, "segment")
        chosen = [(self.snapshot_segment(cap), cap.last_commit) for cap in caps]
        shown = [frame.commit for segment, cap in chosen for frame in segment.frames if frame.commit <= cap]
        file.need(said.commit == max(shown, default=0), 0, size, "commit is not the last one that it shows")
        self.snapshots[entry.name] = moment(chosen)

    def snapshot_segment(self, cap):
        segment = self.segments.get(cap.segment) or self.extra.get((cap.segment, cap.end_bytes))
        if segment is None:
            segment = self.extra[cap.segment, cap.end_bytes] = Segment(self, cap.segment)
            if segment.file.data[-64:-56] == SEAL.magic:
                segment.read_sealed()
            else:
                segment.walk_exactly(cap.end_bytes, cap.last_commit, cap.chain, "snapshot")
            for frame in segment.frames:
                frame.read_contents()
                frame.check_rows()
        segment.check_place(cap.end_bytes, cap.last_commit, bytes.fromhex(cap.chain), "snapshot")
        return segment

    def rows(self, snapshot):
        return self.current if snapshot is None else self.snapshots.get(snapshot, [])


class Report:
    """Tells people on stderr what was found, and remembers the exit code."""

    def __init__(self):
        self.code = 0

    def note(self, text):
        print(f"note: {text}", file=sys.stderr)

    def tear(self, text):
        print(f"tear: {text}", file=sys.stderr)

    def damage(self, damage):
        self.code = 3
        print(f"damage: {damage}", file=sys.stderr)

    def attempt(self, step):
        """Does a step, and reports what it meets instead of ending with it. Says whether all was well."""
        try:
            step()
            return True
        except Damage as damage:
            self.damage(damage)
        except Newer as newer:
            self.code = self.code or 4
            print(f"newer: {newer}", file=sys.stderr)
        return False


def show(row, collection, as_json):
    if as_json:
        line = {"collection": collection, "key": row.key, "vector": row.vector.hex(), "metadata": row.metadata,
                "text": row.text, "commit": row.commit, "segment": row.place[0], "row": row.place[1]}
        print(json.dumps(line))
    else:
        vector = numpy.frombuffer(row.vector, "<f4").tolist()
        print(collection, row.commit, json.dumps(row.key), vector, row.metadata or "-", json.dumps(row.text), sep="\t")


def read_store(wanted, report):
    """Checks the catalogue and the collections, and shows their rows. Says whether there was what was wanted."""
    file, raw, _ = document(wanted.store / "catalogue.json", "catalogue", "store:id generation:from1 collections:list")
    for item in raw["collections"]:
        if type(item) is dict:
            item.setdefault("directory", item.get("collection"))
    entries = listed(file, raw, "collections", "name:name collection:id directory:id", "name", "collection", "directory")
    found = False
    for entry in entries:
        if wanted.collection in (None, entry.name):
            opened = []
            report.attempt(lambda: opened.append(Collection(wanted.store, entry.name, entry.collection, entry.directory, report)))
            snapshots = [snapshot.name for each in opened for snapshot in each.snapshot_entries]
            named = wanted.snapshot is None or wanted.snapshot in snapshots
            found = found or named
            if opened and named and (wanted.hidden or wanted.collection or not entry.name.startswith(".")):
                for row in opened[0].rows(wanted.snapshot):
                    show(row, entry.name, wanted.json)
    return found or wanted.collection is None and wanted.snapshot is None


def main(words=None):
    arguments = argparse.ArgumentParser(description="Lists and checks a siltstone store.")
    arguments.add_argument("store", type=Path)
    arguments.add_argument("--collection", help="only this one; the others are not even checked")
    arguments.add_argument("--snapshot", help="the moment of this snapshot instead of the current one")
    arguments.add_argument("--hidden", action="store_true", help="also list collections whose name begins with a dot")
    arguments.add_argument("--json", action="store_true", help="one JSON object a row")
    wanted, report, found = arguments.parse_args(words), Report(), []
    report.attempt(lambda: found.append(read_store(wanted, report)))
    if found == [False] and report.code == 0:
        print("no such collection or snapshot", file=sys.stderr)
        return 2
    return report.code


if __name__ == "__main__":
    sys.exit(main())
