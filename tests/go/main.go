// Checks a bundle with Go's transparency-log packages alone: that every record's hash leads to each checkpoint's root,
// that each checkpoint is signed by the key given, and that the proofs between checkpoints hold.
//
//	go run . -key VKEY bundle
package main

import (
	"bufio"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// hashes are the stored hashes of one log, as tlog lays them out.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(h)) {
			return nil, fmt.Errorf("no hash %d", index)
		}
		found[i] = h[index]
	}
	return found, nil
}

// log is what was read of a log so far.
type log struct {
	name    string
	size    int64
	stored  hashes
	proven  tlog.Tree
	current tlog.Tree
}

type section struct {
	kind  string
	words []string
	lines []string
}

func main() {
	key := flag.String("key", "", "the gateway's verifier key, from a source that you trust")
	flag.Parse()
	if err := check(flag.Arg(0), *key); err != nil {
		fmt.Println("bad:", err)
		os.Exit(1)
	}
}

func check(file, key string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 8<<20)
	var l *log
	for {
		s, err := next(scanner)
		if err != nil {
			return err
		}
		switch s.kind {
		case "log":
			l = &log{name: s.words[1]}
		case "leaves":
			err = l.leaves(s)
		case "checkpoint":
			err = l.checkpoint(s, verifier)
		case "consistency":
			err = l.consistency(s)
		case "end":
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", strings.Join(s.words, " "), err)
		}
		if s.kind == "checkpoint" {
			fmt.Println("good:", l.name, l.current.N)
		}
	}
}

// next reads the line that names a section, and as many lines behind it as its last word says.
func next(scanner *bufio.Scanner) (section, error) {
	if !scanner.Scan() {
		return section{}, fmt.Errorf("the bundle ends too early")
	}
	words := strings.Split(scanner.Text(), " ")
	count, err := strconv.Atoi(words[len(words)-1])
	if err != nil {
		return section{}, err
	}
	s := section{kind: words[0], words: words[:len(words)-1]}
	for i := 0; i < count; i++ {
		if !scanner.Scan() {
			return section{}, fmt.Errorf("the bundle ends too early")
		}
		s.lines = append(s.lines, scanner.Text())
	}
	return s, nil
}

func (l *log) leaves(s section) error {
	first, err := strconv.ParseInt(s.words[2], 10, 64)
	if err != nil || first != l.size {
		return fmt.Errorf("records are missing from %d on", l.size)
	}
	for _, line := range s.lines {
		record, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil {
			return err
		}
		more, err := tlog.StoredHashes(l.size, record, l.stored)
		if err != nil {
			return err
		}
		l.stored = append(l.stored, more...)
		l.size++
	}
	return nil
}

func (l *log) checkpoint(s section, verifier note.Verifier) error {
	opened, err := note.Open([]byte(strings.Join(s.lines, "\n")+"\n"), note.VerifierList(verifier))
	if err != nil {
		return err
	}
	// tlog.ParseTree reads the trees of Go's own log only; a checkpoint has these lines in the same order.
	text := strings.Split(opened.Text, "\n")
	if text[0] != verifier.Name()+"/"+l.name {
		return fmt.Errorf("it is the checkpoint of %s", text[0])
	}
	size, err := strconv.ParseInt(text[1], 10, 64)
	if err != nil || size != l.size {
		return fmt.Errorf("it speaks of %s records, and %d are here", text[1], l.size)
	}
	root, err := tlog.ParseHash(text[2])
	if err != nil {
		return err
	}
	own, err := tlog.TreeHash(size, l.stored)
	if err != nil {
		return err
	}
	if own != root {
		return fmt.Errorf("the records have another root")
	}
	l.proven, l.current = l.current, tlog.Tree{N: size, Hash: root}
	return nil
}

func (l *log) consistency(s section) error {
	var proof tlog.TreeProof
	for _, line := range s.lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	if l.proven.N == 0 {
		return nil
	}
	return tlog.CheckTree(proof, l.current.N, l.current.Hash, l.proven.N, l.proven.Hash)
}
