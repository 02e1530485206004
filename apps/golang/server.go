// SPDX-License-Identifier: GPL-2.0-only

// An HTTP server: says who it is, and finds primes by a chain of goroutines.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
)

// prime returns the prime of that number, by a sieve that has one goroutine for each prime.
func prime(ctx context.Context, number int) int {
	send := func(out chan<- int, value int) bool {
		select {
		case out <- value:
			return true
		case <-ctx.Done():
			return false
		}
	}
	numbers := make(chan int)
	go func(out chan<- int) {
		for n := 2; send(out, n); n++ {
		}
	}(numbers)
	found := 0
	for ; number > 0; number-- {
		found = <-numbers
		rest := make(chan int)
		go func(in <-chan int, out chan<- int, divisor int) {
			for {
				select {
				case n := <-in:
					if n%divisor != 0 && !send(out, n) {
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}(numbers, rest, found)
		numbers = rest
	}
	return found
}

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s on %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	})
	http.HandleFunc("/primes", func(w http.ResponseWriter, r *http.Request) {
		count, err := strconv.Atoi(r.URL.Query().Get("count"))
		if err != nil || count < 1 || count > 1000 {
			http.Error(w, "count is a number from 1 to 1000", http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		fmt.Fprintln(w, prime(ctx, count))
	})
	server := &http.Server{Addr: ":80"}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-stop
		server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
