// Package story prints one line a capability, as the laboratory reads them, and undoes at the end.
package story

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// What the laboratory tells every client about the endpoint.
var (
	Endpoint  = os.Getenv("AWS_ENDPOINT_URL")
	AccessKey = os.Getenv("AWS_ACCESS_KEY_ID")
	SecretKey = os.Getenv("AWS_SECRET_ACCESS_KEY")
	Region    = os.Getenv("AWS_DEFAULT_REGION")
	Image     = os.Getenv("EC2BRIDGE_COMPAT_IMAGE")
	Zone      = os.Getenv("EC2BRIDGE_COMPAT_ZONE")
	Type      = either(os.Getenv("EC2BRIDGE_COMPAT_TYPE"), "t2.micro")
	Name      = fmt.Sprintf("compat-%d-%d", os.Getpid(), time.Now().Unix())
)

var (
	undo   []func() error
	failed bool
)

func either(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// Version prints the version of a module and ends, when that is all that was asked for.
func Version(module string) {
	if len(os.Args) < 2 || os.Args[1] != "--version" {
		return
	}
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			fmt.Println(strings.TrimPrefix(dependency.Version, "v"))
		}
	}
	os.Exit(0)
}

// Step prints how a part of the story ended; a later one runs all the same.
func Step(name string, play func()) {
	defer func() {
		if reason := recover(); reason != nil {
			failed = true
			fmt.Printf("not ok %s - %s\n", name, strings.Join(strings.Fields(fmt.Sprint(reason)), " "))
			return
		}
		fmt.Println("ok " + name)
	}()
	play()
}

// Must returns a call's answer, and ends the step when there was an error.
func Must[Answer any](answer Answer, err error) Answer {
	if err != nil {
		panic(err)
	}
	return answer
}

// Check ends the step when something does not hold.
func Check(holds bool, seen any) {
	if !holds {
		panic(fmt.Sprintf("seen: %v", seen))
	}
}

// Later has something undone at the end, the last first.
func Later(call func() error) { undo = append(undo, call) }

// Until looks until it sees what is wanted.
func Until(wanted string, look func() string) {
	deadline := time.Now().Add(5 * time.Minute)
	for seen := look(); seen != wanted; seen = look() {
		if time.Now().After(deadline) {
			panic("after five minutes it is still " + seen)
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// Finish undoes, and ends with the exit code.
func Finish() {
	for last := len(undo) - 1; last >= 0; last-- {
		if err := undo[last](); err != nil {
			fmt.Fprintln(os.Stderr, "clean-up:", err)
		}
	}
	if failed {
		os.Exit(1)
	}
}
