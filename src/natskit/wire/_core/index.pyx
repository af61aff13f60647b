"""The subject index: a table of literal subjects beside a trie of patterns.

Most subscriptions are literal (inboxes above all): one table entry each, found with one look. Patterns live in a
trie by token. Matching walks the trie level by level with the list of nodes reached, so depth costs no stack.
Removal is O(1) within a subject: an entry knows its place in the list.
"""

from cython cimport trashcan

from natskit.wire._core.grammar cimport LITERAL, PATTERN, has_empty_token, shape_of
from natskit.wire._core.output cimport Output


cdef class Entry:
    def __cinit__(self, bytes subject not None, *args, **kwargs):
        self.subject = subject


cdef class Subscription(Entry):
    def __cinit__(self, bytes subject not None, bytes queue, bytes sid not None, Output output not None):
        self.queue = queue
        self.sid = sid
        self.output = output

    @property
    def owner(self):
        return self.output

    @property
    def delivered(self):
        return self.count.delivered

    @property
    def max(self):
        return self.count.max


@trashcan(True)
cdef class Node:
    pass


cdef void append(list bucket, Entry entry):
    entry.position = len(bucket)
    bucket.append(entry)


cdef void drop(list bucket, Entry entry):
    """Put the last entry in the place of this one."""
    cdef Entry last = bucket.pop()
    if last is not entry:
        bucket[entry.position] = last
        last.position = entry.position


cdef class Index:
    def __cinit__(self):
        self.literals = {}
        self.root = Node()

    def __len__(self):
        return self.size

    cpdef insert(self, Entry entry):
        """Add an entry; its subject must be valid."""
        cdef int shape = shape_of(entry.subject, len(entry.subject))
        cdef list bucket
        cdef Node node
        if shape == LITERAL:
            bucket = self.literals.get(entry.subject)
            if bucket is None:
                bucket = self.literals[entry.subject] = []
        elif shape == PATTERN:
            bucket = self.bucket_of(entry.subject)
        else:
            raise AssertionError("subjects are validated before they are indexed")
        append(bucket, entry)
        self.size += 1
        self.inserts += 1

    cdef list bucket_of(self, bytes pattern):
        """The list for a pattern, with the nodes that lead to it."""
        cdef Node node = self.root
        cdef Node child
        for token in pattern.split(b"."):
            if token == b">":
                if node.rest is None:
                    node.rest = []
                return node.rest
            if token == b"*":
                if node.star is None:
                    node.star = Node()
                node = node.star
                continue
            if node.children is None:
                node.children = {}
            child = node.children.get(token)
            if child is None:
                child = node.children[token] = Node()
            node = child
        if node.entries is None:
            node.entries = []
        return node.entries

    cpdef remove(self, Entry entry):
        """Remove an entry that was inserted."""
        cdef list bucket = self.literals.get(entry.subject)
        if bucket is None:
            self.remove_pattern(entry)
        else:
            drop(bucket, entry)
            if not bucket:
                del self.literals[entry.subject]
        self.size -= 1
        self.removes += 1

    cdef int remove_pattern(self, Entry entry) except -1:
        cdef list tokens = entry.subject.split(b".")
        cdef list path = []
        cdef Node node = self.root
        for token in tokens:
            path.append(node)
            if token == b">":
                drop(node.rest, entry)
                if not node.rest:
                    node.rest = None
                break
            node = node.star if token == b"*" else <Node>node.children[token]
        else:
            drop(node.entries, entry)
            if not node.entries:
                node.entries = None
            path.append(node)
        return self.prune(path, tokens)

    cdef int prune(self, list path, list tokens) except -1:
        """Take away nodes that lead nowhere any more, from the end of the path."""
        cdef Node node
        cdef Node parent
        cdef Py_ssize_t i
        for i in range(len(path) - 1, 0, -1):
            node = path[i]
            if node.entries is not None or node.rest is not None or node.star is not None or node.children:
                return 0
            parent = path[i - 1]
            if tokens[i - 1] == b"*":
                parent.star = None
            else:
                del parent.children[tokens[i - 1]]
                if not parent.children:
                    parent.children = None
        return 0

    cpdef list match(self, bytes subject):
        """Every entry that waits for the literal subject."""
        cdef list found = []
        cdef list bucket = self.literals.get(subject)
        cdef Node root = self.root
        self.searches += 1
        if bucket is not None:
            found.extend(bucket)
        if root.children is None and root.star is None and root.rest is None:
            return found
        if has_empty_token(subject, len(subject)):
            return found
        self.walk(subject, found)
        return found

    cdef int walk(self, bytes subject, list found) except -1:
        cdef list nodes = [self.root]
        cdef list reached
        cdef Node node
        for token in subject.split(b"."):
            reached = []
            for node in nodes:
                if node.rest is not None:
                    found.extend(node.rest)
                if node.star is not None:
                    reached.append(node.star)
                if node.children is not None:
                    child = node.children.get(token)
                    if child is not None:
                        reached.append(child)
            nodes = reached
            if not nodes:
                return 0
        for node in nodes:
            if node.entries is not None:
                found.extend(node.entries)
        return 0

    def entries(self):
        """Every entry, in no particular order."""
        cdef list found = []
        cdef list nodes = [self.root]
        cdef Node node
        for bucket in self.literals.values():
            found.extend(bucket)
        while nodes:
            node = nodes.pop()
            for bucket in (node.entries, node.rest):
                if bucket is not None:
                    found.extend(bucket)
            if node.star is not None:
                nodes.append(node.star)
            if node.children is not None:
                nodes.extend(node.children.values())
        return found
