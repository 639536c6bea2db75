// Judge answers whether proofs, checkpoints and whole logs hold, by the code of Go's checksum database.
//
// It reads one question a line from standard input, as JSON, and writes one answer a line. Everything that
// decides is in golang.org/x/mod/sumdb; here are only the reading of files and of checkpoints' three lines.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Op string `json:"op"`

	// checkpoint: who signed what
	Note   []byte `json:"note"`
	Vkey   string `json:"vkey"`
	Origin string `json:"origin"`

	// record, tree: a proof for roots that are known; a record by its entry or by its leaf hash
	Proof   [][]byte `json:"proof"`
	Index   int64    `json:"index"`
	Entry   []byte   `json:"entry"`
	Leaf    []byte   `json:"leaf"`
	OldSize int64    `json:"old_size"`
	OldRoot []byte   `json:"old_root"`
	Size    int64    `json:"size"`
	Root    []byte   `json:"root"`

	// receipt: of an entry, by whoever has the vkey
	Receipt []byte `json:"receipt"`

	// log: a folder with a checkpoint and tiles, and for what to make proofs
	Folder   string  `json:"folder"`
	Indices  []int64 `json:"indices"`
	OldSizes []int64 `json:"old_sizes"`
}

type answer struct {
	Error   string     `json:"error"`
	Records [][][]byte `json:"records"`
	Trees   [][][]byte `json:"trees"`
}

func main() {
	in := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var a answer
		var q question
		if err = json.Unmarshal(line, &q); err == nil {
			err = judge(&q, &a)
		}
		if err != nil {
			a.Error = err.Error()
		}
		text, err := json.Marshal(a)
		if err != nil {
			panic(err)
		}
		out.Write(append(text, '\n'))
	}
}

func judge(q *question, a *answer) error {
	switch q.Op {
	case "checkpoint":
		origin, tree, err := openCheckpoint(q.Note, q.Vkey)
		if err != nil {
			return err
		}
		if origin != q.Origin || tree.N != q.Size || !bytes.Equal(tree.Hash[:], q.Root) {
			return fmt.Errorf("the checkpoint says %s, %d, %v", origin, tree.N, tree.Hash)
		}
		return nil
	case "record":
		return judgeRecord(q)
	case "tree":
		hashes, err := hashesOf(append(q.Proof, q.Root, q.OldRoot))
		if err != nil {
			return err
		}
		k := len(q.Proof)
		return tlog.CheckTree(hashes[:k], q.Size, hashes[k], q.OldSize, hashes[k+1])
	case "receipt":
		return judgeReceipt(q)
	case "log":
		return judgeLog(q, a)
	}
	return fmt.Errorf("unknown question %q", q.Op)
}

func judgeRecord(q *question) error {
	leaf := tlog.RecordHash(q.Entry)
	if q.Leaf != nil {
		hashes, err := hashesOf([][]byte{q.Leaf})
		if err != nil {
			return err
		}
		leaf = hashes[0]
	}
	hashes, err := hashesOf(append(q.Proof, q.Root))
	if err != nil {
		return err
	}
	k := len(q.Proof)
	return tlog.CheckRecord(hashes[:k], q.Size, hashes[k], q.Index, leaf)
}

// judgeReceipt reads the lines of a tlog-proof and judges what it says of an entry.
func judgeReceipt(q *question) error {
	head, checkpoint, found := bytes.Cut(q.Receipt, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("no receipt")
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return errors.New("no index")
	}
	_, tree, err := openCheckpoint(checkpoint, q.Vkey)
	if err != nil {
		return err
	}
	claim := question{Entry: q.Entry, Size: tree.N, Root: tree.Hash[:]}
	if claim.Index, err = strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64); err != nil {
		return err
	}
	for _, line := range lines[1:] {
		hash, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil {
			return err
		}
		claim.Proof = append(claim.Proof, hash)
	}
	return judgeRecord(&claim)
}

// judgeLog checks the signature, every tile that leads to an entry, and every entry; then it makes proofs.
func judgeLog(q *question, a *answer) error {
	text, err := os.ReadFile(filepath.Join(q.Folder, "checkpoint"))
	if err != nil {
		return err
	}
	_, tree, err := openCheckpoint(text, q.Vkey)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, tiles(q.Folder))
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return err
	}
	if tree.N == 0 {
		return nil
	}
	if root != tree.Hash {
		return errors.New("the tiles have another root")
	}
	for start := int64(0); start < tree.N; start += 256 {
		if err := judgeBundle(q.Folder, start, tree.N, reader); err != nil {
			return err
		}
	}
	for _, index := range q.Indices {
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		if err != nil {
			return err
		}
		a.Records = append(a.Records, bytesOf(proof))
	}
	for _, oldSize := range q.OldSizes {
		proof, err := tlog.ProveTree(tree.N, oldSize, reader)
		if err != nil {
			return err
		}
		a.Trees = append(a.Trees, bytesOf(proof))
	}
	return nil
}

func judgeBundle(folder string, start, size int64, reader tlog.HashReader) error {
	tile := tlog.Tile{H: 8, L: -1, N: start / 256, W: 256}
	if size-start < 256 {
		tile.W = int(size - start)
	}
	data, err := os.ReadFile(filepath.Join(folder, pathOf(tile)))
	if err != nil {
		return err
	}
	indexes := make([]int64, tile.W)
	for place := range indexes {
		indexes[place] = tlog.StoredHashIndex(0, start+int64(place))
	}
	leaves, err := reader.ReadHashes(indexes)
	if err != nil {
		return err
	}
	for place, leaf := range leaves {
		if len(data) < 2 {
			return fmt.Errorf("no entry %d", start+int64(place))
		}
		length := 2 + int(binary.BigEndian.Uint16(data))
		if len(data) < length {
			return fmt.Errorf("entry %d is cut", start+int64(place))
		}
		if tlog.RecordHash(data[2:length]) != leaf {
			return fmt.Errorf("entry %d has another hash", start+int64(place))
		}
		data = data[length:]
	}
	if len(data) > 0 {
		return fmt.Errorf("%d bytes too many", len(data))
	}
	return nil
}

func openCheckpoint(text []byte, vkey string) (string, tlog.Tree, error) {
	var tree tlog.Tree
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return "", tree, err
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return "", tree, err
	}
	lines := strings.SplitN(opened.Text, "\n", 4)
	if len(lines) != 4 {
		return "", tree, errors.New("a checkpoint has three lines")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return "", tree, err
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil {
		return "", tree, err
	}
	hashes, err := hashesOf([][]byte{root})
	if err != nil {
		return "", tree, err
	}
	tree.Hash = hashes[0]
	return lines[0], tree, nil
}

// tiles reads the tiles of the log in a folder.
type tiles string

func (folder tiles) Height() int { return 8 }

func (folder tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		data, err := os.ReadFile(filepath.Join(string(folder), pathOf(tile)))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func (folder tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// pathOf is Go's path without its element for the height, which is 8 everywhere, and with the name that
// tlog-tiles has for entries.
func pathOf(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), "tile/8/")
	if tile.L == -1 {
		path = "entries/" + strings.TrimPrefix(path, "data/")
	}
	return filepath.FromSlash("tile/" + path)
}

func hashesOf(given [][]byte) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(given))
	for place, data := range given {
		if len(data) != tlog.HashSize {
			return nil, fmt.Errorf("hash %d has %d bytes", place, len(data))
		}
		copy(hashes[place][:], data)
	}
	return hashes, nil
}

func bytesOf(hashes []tlog.Hash) [][]byte {
	given := make([][]byte, len(hashes))
	for place := range hashes {
		given[place] = hashes[place][:]
	}
	return given
}
