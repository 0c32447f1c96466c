// Checks an export of a ledger with golang.org/x/mod/sumdb, the code by which Go
// checks its own transparency log: nothing here was written by us but the way
// through the folder.
//
//	go run check.go FOLDER
//
// checkpoint, key and tiles of docs/design/ledger.md (Export).  Where the folder
// has them: cosigner (verifier key of a witness), proofs and paths, as
// make_log.c writes them.  Says what was checked; exit status 1 at the first
// thing that is wrong.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

var folder string

func must(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func require(condition bool, what string) {
	if !condition {
		must(errors.New("is wrong"), what)
	}
}

func read(name string) []byte {
	content, err := os.ReadFile(filepath.Join(folder, name))
	must(err, name)
	return content
}

func lines(name string) []string {
	content, err := os.ReadFile(filepath.Join(folder, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	must(err, name)
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

// --- signatures -------------------------------------------------------------------

// A witness of C2SP tlog-cosignature: of type 4, over the time and the text.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	seconds := binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", seconds, text)
	return ed25519.Verify(w.key, []byte(message), signature[8:])
}

func newWitness(vkey string) witness {
	part := strings.SplitN(vkey, "+", 3)
	require(len(part) == 3, "verifier key of the witness")
	typed, err := base64.StdEncoding.DecodeString(part[2])
	must(err, "verifier key of the witness")
	require(len(typed) == 33 && typed[0] == 4, "verifier key of the witness")
	sum := sha256.Sum256(append([]byte(part[0]+"\n"), typed...))
	require(hex.EncodeToString(sum[:4]) == part[1], "id of the witness's key")
	return witness{part[0], binary.BigEndian.Uint32(sum[:4]), typed[1:]}
}

// The tree that the checkpoint says, once the key in force, and the witness if
// there is one, have signed it.
func openCheckpoint() tlog.Tree {
	keys := lines("key")
	require(len(keys) > 0, "key")
	verifier, err := note.NewVerifier(keys[len(keys)-1])
	must(err, "key")
	known := []note.Verifier{verifier}
	for _, vkey := range lines("cosigner") {
		known = append(known, newWitness(vkey))
	}
	opened, err := note.Open(read("checkpoint"), note.VerifierList(known...))
	must(err, "checkpoint")
	require(len(opened.Sigs) == len(known), "number of signatures")

	text := strings.Split(opened.Text, "\n")
	require(len(text) >= 4 && text[0] == verifier.Name(), "origin")
	size, err := strconv.ParseInt(text[1], 10, 64)
	must(err, "size")
	root, err := tlog.ParseHash(text[2])
	must(err, "root")
	return tlog.Tree{N: size, Hash: root}
}

// --- tiles ------------------------------------------------------------------------

// tlog's own tiles have the height in their path, C2SP's do not.
func pathOf(tile tlog.Tile) string {
	own := fmt.Sprintf("tile/%d/", height)
	path := tile.Path()
	require(strings.HasPrefix(path, own), path)
	return "tile/" + strings.TrimPrefix(path, own)
}

type reader struct{}

func (reader) Height() int                     { return height }
func (reader) SaveTiles([]tlog.Tile, [][]byte) {}
func (reader) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, tile := range tiles {
		data = append(data, read(pathOf(tile)))
	}
	return data, nil
}

// Every entry of every bundle is the record that the tiles, which tlog has
// authenticated against the root, have there.
func checkEntries(tree tlog.Tree, hashes tlog.HashReader) {
	n := int64(0)
	for tile := int64(0); tile*256 < tree.N; tile++ {
		width := tree.N - tile*256
		if width > 256 {
			width = 256
		}
		bundle := read(strings.Replace(pathOf(tlog.Tile{H: height, L: 0, N: tile, W: int(width)}), "tile/0/", "tile/entries/", 1))
		var indexes []int64
		var records []tlog.Hash
		for len(bundle) > 0 {
			require(len(bundle) >= 2, "length of an entry")
			length := int(binary.BigEndian.Uint16(bundle))
			require(length == 256 && len(bundle) >= 2+length, "length of an entry")
			records = append(records, tlog.RecordHash(bundle[2:2+length]))
			indexes = append(indexes, tlog.StoredHashIndex(0, n))
			bundle = bundle[2+length:]
			n++
		}
		require(int64(len(records)) == width, "number of entries in a bundle")
		stored, err := hashes.ReadHashes(indexes)
		must(err, "tiles")
		for i := range stored {
			require(stored[i] == records[i], fmt.Sprintf("entry %d", tile*256+int64(i)+1))
		}
	}
	require(n == tree.N, "number of entries")
	fmt.Printf("%d entries, their tiles, the root and the signed checkpoint\n", n)
}

// --- proofs -----------------------------------------------------------------------

func hashOf(text string) (h tlog.Hash) {
	b, err := hex.DecodeString(text)
	must(err, "hash")
	require(len(b) == len(h), "hash")
	copy(h[:], b)
	return h
}

// Theirs says yes to ours, is the same where theirs is made from the tiles, and
// says no once a bit of it is another.
func checkProof(line string, tree tlog.Tree, hashes tlog.HashReader) {
	field := strings.Fields(line)
	a, err := strconv.ParseInt(field[1], 10, 64)
	must(err, line)
	b, err := strconv.ParseInt(field[2], 10, 64)
	must(err, line)
	first, second := hashOf(field[3]), hashOf(field[4])
	proof := []tlog.Hash{}
	for _, text := range field[5:] {
		proof = append(proof, hashOf(text))
	}
	verify := func() error {
		if field[0] == "inclusion" {
			return tlog.CheckRecord(proof, b, first, a, second)
		}
		return tlog.CheckTree(proof, b, second, a, first)
	}
	must(verify(), line)
	if b == tree.N {
		var theirs []tlog.Hash
		if field[0] == "inclusion" {
			theirs, err = tlog.ProveRecord(b, a, hashes)
		} else {
			theirs, err = tlog.ProveTree(b, a, hashes)
		}
		must(err, line)
		require(fmt.Sprint(theirs) == fmt.Sprint(proof), line)
	}
	if len(proof) > 0 {
		proof[len(proof)/2][7] ^= 16
		require(verify() != nil, "a proof with one bit changed")
	}
}

func checkPath(line string) {
	var level, width int
	var n int64
	var path string
	_, err := fmt.Sscanf(line, "%d %d %d %s", &level, &n, &width, &path)
	must(err, line)
	require(pathOf(tlog.Tile{H: height, L: level, N: n, W: width}) == path, line)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: check.go FOLDER")
		os.Exit(2)
	}
	folder = os.Args[1]
	tree := openCheckpoint()
	hashes := tlog.TileHashReader(tree, reader{})
	root, err := tlog.TreeHash(tree.N, hashes)
	must(err, "root")
	require(bytes.Equal(root[:], tree.Hash[:]), "root")
	checkEntries(tree, hashes)

	proofs := lines("proofs")
	for _, line := range proofs {
		checkProof(line, tree, hashes)
	}
	paths := lines("paths")
	for _, line := range paths {
		checkPath(line)
	}
	fmt.Printf("%d proofs, %d paths of tiles\n", len(proofs), len(paths))
}
