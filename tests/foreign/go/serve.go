package main

import (
	"context"
	"io"
	"log"
	"net"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // Answers as it was asked.
	"google.golang.org/grpc/reflection"
)

func serve(listener net.Listener, protoset string) {
	registerFiles(protoset)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessageBytes), grpc.MaxSendMsgSize(maxMessageBytes))
	server.RegisterService(&echoService, struct{}{})
	server.RegisterService(&talkService, struct{}{})
	reflection.Register(server)
	log.Fatal(server.Serve(listener))
}

// Say answers with what it hears, Repeat twice, Collect with all at the end, Chat at once.
var talkService = grpc.ServiceDesc{
	ServiceName: "acme.v1.Talk",
	HandlerType: (*interface{})(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: func(
		_ interface{}, _ context.Context, decode func(interface{}) error, _ grpc.UnaryServerInterceptor,
	) (interface{}, error) {
		var words Words
		return &words, decode(&words)
	}}},
	Streams: []grpc.StreamDesc{
		{StreamName: "Repeat", ServerStreams: true, Handler: func(_ interface{}, stream grpc.ServerStream) error {
			var words Words
			if err := stream.RecvMsg(&words); err != nil {
				return err
			}
			stream.SendMsg(&words)
			return stream.SendMsg(&words)
		}},
		{StreamName: "Collect", ClientStreams: true, Handler: func(_ interface{}, stream grpc.ServerStream) error {
			all := Words{Text: proto.String("all")}
			err := hear(stream, func(words *Words) error {
				all.Notes = append(all.Notes, *words.Text)
				return nil
			})
			if err != nil {
				return err
			}
			return stream.SendMsg(&all)
		}},
		{StreamName: "Chat", ServerStreams: true, ClientStreams: true, Handler: func(_ interface{}, stream grpc.ServerStream) error {
			return hear(stream, func(words *Words) error { return stream.SendMsg(words) })
		}},
	},
	Metadata: "talk.proto",
}

// Gives each message of a stream to take, until the caller half-closes.
func hear(stream grpc.ServerStream, take func(*Words) error) error {
	for {
		var words Words
		if err := stream.RecvMsg(&words); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := take(&words); err != nil {
			return err
		}
	}
}
