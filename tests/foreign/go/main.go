// A gRPC peer that is not ours: grpc-go, as a server and as a client.
//
//	peer serve PROTOSET         prints "ready 127.0.0.1:PORT" and serves Echo, Talk and reflection
//	peer call ADDRESS            prints "ready 127.0.0.1:PORT"; calls ADDRESS as whoever connects there says
//
// It needs Debian's golang-google-grpc-dev (grpc-go 1.33, protobuf 1.3): no module, no network, no
// generated code.
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
)

const maxMessageBytes = 64 << 20

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: peer serve PROTOSET | peer call ADDRESS")
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	switch os.Args[1] {
	case "serve":
		go serve(listener, os.Args[2])
	case "call":
		go call(listener, os.Args[2])
	default:
		log.Fatalf("unknown role %q", os.Args[1])
	}
	fmt.Printf("ready %s\n", listener.Addr())
	<-ended
}
