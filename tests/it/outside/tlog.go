// Reads a served log with Go's own golang.org/x/mod/sumdb: the checkpoint with note, the tiles with
// tlog's TileHashReader, which holds every hash against the root.
//
//	tlog URL VERIFIER_KEY
//
// Prints how many records and how many older trees were proved.
package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// tiles are those that a server has, under the paths of C2SP's tlog-tiles.
type tiles struct{ url string }

func (tiles) Height() int { return 8 }

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		// Go's paths name the height too.
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := get(t.url + "/log/" + path)
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func get(url string) ([]byte, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// checkpoint is the tree that the log has signed, by its own key.
func checkpoint(url, key string) tlog.Tree {
	verifier := must(note.NewVerifier(key))
	signed := must(get(url + "/log/checkpoint"))
	opened := must(note.Open(signed, note.VerifierList(verifier)))
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		log.Fatalf("not a checkpoint: %q", opened.Text)
	}
	tree := tlog.Tree{N: must(strconv.ParseInt(lines[1], 10, 64))}
	if copy(tree.Hash[:], must(base64.StdEncoding.DecodeString(lines[2]))) != tlog.HashSize {
		log.Fatal("the root is no hash")
	}
	return tree
}

func main() {
	url, key := os.Args[1], os.Args[2]
	tree := checkpoint(url, key)
	reader := tlog.TileHashReader(tree, tiles{url})
	for record := int64(0); record < tree.N; record++ {
		leaf := must(reader.ReadHashes([]int64{tlog.StoredHashIndex(0, record)}))[0]
		proof := must(tlog.ProveRecord(tree.N, record, reader))
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, record, leaf); err != nil {
			log.Fatalf("record %d: %v", record, err)
		}
		older := must(tlog.TreeHash(record+1, reader))
		grown := must(tlog.ProveTree(tree.N, record+1, reader))
		if err := tlog.CheckTree(grown, tree.N, tree.Hash, record+1, older); err != nil {
			log.Fatalf("the tree of %d records: %v", record+1, err)
		}
	}
	fmt.Println(tree.N, "records and as many trees")
}
