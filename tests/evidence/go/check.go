// Checks what Tact has signed with programs that are not Tact's: golang.org/x/mod/sumdb/note and golang.org/x/mod/sumdb/tlog.
//
// Reads one JSON object from standard input and prints what it has checked, one thing a line. Anything that does not hold ends it with
// status 1 and a line that begins with "no:".
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type record struct {
	Leaf  int64
	Bytes []byte
	Proof []tlog.Hash
}

type input struct {
	Key     string
	Network string
	Log     string
	Older   string
	Records []record
	Growth  []tlog.Hash
	Tiles   map[string][]byte
}

func no(what string, err error) {
	fmt.Printf("no: %s: %v\n", what, err)
	os.Exit(1)
}

func open(what, signed string, verifier note.Verifier) []string {
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		no(what, err)
	}
	return strings.Split(opened.Text, "\n")
}

func tree(what, signed string, verifier note.Verifier) tlog.Tree {
	lines := open(what, signed, verifier)
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		no(what, err)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		no(what, err)
	}
	return tlog.Tree{N: size, Hash: root}
}

// tiles gives out what the server gave out under C2SP's paths.
type tiles map[string][]byte

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		// Go's paths name the height too: tile/8/0/000.
		path := strings.TrimPrefix(tile.Path(), "tile/8/")
		data, ok := t[path]
		if !ok {
			return nil, fmt.Errorf("there is no tile %s", path)
		}
		found = append(found, data)
	}
	return found, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func main() {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		no("the input", err)
	}
	verifier, err := note.NewVerifier(in.Key)
	if err != nil {
		no("the key", err)
	}
	open("the network's checkpoint", in.Network, verifier)
	fmt.Println("the network's checkpoint")
	now := tree("the log's checkpoint", in.Log, verifier)
	fmt.Println("the log's checkpoint")
	for _, r := range in.Records {
		if err := tlog.CheckRecord(r.Proof, now.N, now.Hash, r.Leaf, tlog.RecordHash(r.Bytes)); err != nil {
			no(fmt.Sprintf("leaf %d", r.Leaf), err)
		}
		fmt.Printf("leaf %d\n", r.Leaf)
	}
	older := tree("the older checkpoint", in.Older, verifier)
	if err := tlog.CheckTree(in.Growth, now.N, now.Hash, older.N, older.Hash); err != nil {
		no("the growth", err)
	}
	fmt.Println("the growth")
	reader := tlog.TileHashReader(now, tiles(in.Tiles))
	root, err := tlog.TreeHash(older.N, reader)
	if err != nil {
		no("the tiles", err)
	}
	if root != older.Hash {
		no("the tiles", fmt.Errorf("they lead to another root"))
	}
	for _, r := range in.Records {
		hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, r.Leaf)})
		if err != nil {
			no("the tiles", err)
		}
		if hashes[0] != tlog.RecordHash(r.Bytes) {
			no("the tiles", fmt.Errorf("leaf %d is another one", r.Leaf))
		}
	}
	fmt.Println("the tiles")
}
