package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A line from whoever steers: one of start, send, read, end, cancel, close, of one call or channel.
type order struct {
	Call    int    `json:"call"`
	Channel int    `json:"channel"`
	Do      string `json:"do"`

	Path      string      `json:"path"`
	Metadata  [][2][]byte `json:"metadata"`
	TimeoutMs int         `json:"timeoutMs"`
	Gzip      bool        `json:"gzip"`

	Bytes []byte `json:"bytes"`
}

// A line back: one of sent, headers, message, ended.
type event struct {
	Call     int         `json:"call"`
	Is       string      `json:"is"`
	Metadata [][2][]byte `json:"metadata,omitempty"`
	Bytes    []byte      `json:"bytes,omitempty"`
	Code     int         `json:"code"`
	Message  []byte      `json:"message,omitempty"`
}

// Messages go as they are.
type raw struct{}

func (raw) Marshal(value interface{}) ([]byte, error) { return *value.(*[]byte), nil }
func (raw) Unmarshal(data []byte, value interface{}) error {
	*value.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (raw) String() string { return "proto" }

// Whoever steers, and the channels and calls that it has opened.
type steered struct {
	address  string
	lock     sync.Mutex
	out      *json.Encoder
	channels map[int]*grpc.ClientConn
	calls    map[int]chan<- order
}

func call(listener net.Listener, address string) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		s := &steered{
			address: address, out: json.NewEncoder(connection),
			channels: map[int]*grpc.ClientConn{}, calls: map[int]chan<- order{},
		}
		go s.obey(json.NewDecoder(bufio.NewReaderSize(connection, 1<<20)))
	}
}

func (s *steered) tell(e event) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.out.Encode(e)
}

func (s *steered) obey(in *json.Decoder) {
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return // The test has ended.
		}
		switch o.Do {
		case "start":
			orders := make(chan order, 16)
			s.calls[o.Call] = orders
			go s.run(o, s.channel(o.Channel), orders)
		case "close":
			s.channel(o.Channel).Close()
			delete(s.channels, o.Channel)
		default:
			s.calls[o.Call] <- o
		}
	}
}

func (s *steered) channel(number int) *grpc.ClientConn {
	if s.channels[number] == nil {
		channel, err := grpc.Dial(s.address, grpc.WithInsecure(), grpc.WithUserAgent("foreign"),
			grpc.WithDefaultCallOptions(
				grpc.CallCustomCodec(raw{}),
				grpc.MaxCallRecvMsgSize(maxMessageBytes), grpc.MaxCallSendMsgSize(maxMessageBytes),
			))
		if err != nil {
			log.Fatal(err)
		}
		s.channels[number] = channel
	}
	return s.channels[number]
}

// Runs one call to its end. Orders that come later are answered, and change nothing.
func (s *steered) run(start order, channel *grpc.ClientConn, orders <-chan order) {
	ctx := context.Background()
	for _, pair := range start.Metadata {
		ctx = metadata.AppendToOutgoingContext(ctx, string(pair[0]), string(pair[1]))
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(start.TimeoutMs)*time.Millisecond)
	sends, reads := make(chan order, 16), make(chan bool, 16)
	go func() {
		for o := range orders {
			switch o.Do {
			case "cancel":
				cancel()
			case "read":
				select {
				case reads <- true:
				default: // The call has ended, and nobody takes them.
				}
			default:
				sends <- o
			}
		}
	}()
	var options []grpc.CallOption
	if start.Gzip {
		options = append(options, grpc.UseCompressor(gzip.Name))
	}
	kind := map[string]*grpc.StreamDesc{
		"ServerStream": {ServerStreams: true},
		"ClientStream": {ClientStreams: true},
		"Bidi":         {ServerStreams: true, ClientStreams: true},
	}[start.Path[strings.LastIndex(start.Path, "/")+1:]]
	var trailers metadata.MD
	var err error
	if kind == nil {
		trailers, err = s.unary(ctx, channel, start, options, sends)
	} else {
		trailers, err = s.stream(ctx, channel, kind, start, options, sends, reads)
	}
	end := status.Convert(err)
	if len(end.Details()) > 0 { // It takes them out of the trailers.
		if details, err := proto.Marshal(end.Proto()); err == nil {
			trailers = metadata.Join(trailers, metadata.Pairs("grpc-status-details-bin", string(details)))
		}
	}
	s.tell(event{
		Call: start.Call, Is: "ended", Code: int(end.Code()), Message: []byte(end.Message()),
		Metadata: pairs(trailers),
	})
	cancel()
}

func (s *steered) unary(
	ctx context.Context, channel *grpc.ClientConn, start order, options []grpc.CallOption, sends <-chan order,
) (metadata.MD, error) {
	var headers, trailers metadata.MD
	request := <-sends
	s.tell(event{Call: start.Call, Is: "sent"})
	var response []byte
	options = append(options, grpc.Header(&headers), grpc.Trailer(&trailers))
	err := channel.Invoke(ctx, start.Path, &request.Bytes, &response, options...)
	s.told(start, headers)
	if err == nil {
		s.tell(event{Call: start.Call, Is: "message", Bytes: response})
	}
	go s.answerLate(start, sends)
	return trailers, err
}

func (s *steered) stream(
	ctx context.Context, channel *grpc.ClientConn, kind *grpc.StreamDesc, start order,
	options []grpc.CallOption, sends <-chan order, reads <-chan bool,
) (metadata.MD, error) {
	stream, err := channel.NewStream(ctx, kind, start.Path, options...)
	if err != nil {
		go s.answerLate(start, sends)
		return nil, err
	}
	go func() {
		for o := range sends {
			if o.Do == "end" {
				stream.CloseSend()
			} else {
				stream.SendMsg(&o.Bytes) // What is wrong, reading tells.
			}
			s.tell(event{Call: start.Call, Is: "sent"})
		}
	}()
	if headers, err := stream.Header(); err == nil {
		s.told(start, headers)
	}
	for {
		select {
		case <-reads:
		case <-ctx.Done():
		}
		var response []byte
		if err := stream.RecvMsg(&response); err == io.EOF {
			return stream.Trailer(), nil
		} else if err != nil {
			return stream.Trailer(), err
		}
		s.tell(event{Call: start.Call, Is: "message", Bytes: response})
	}
}

// Trailers only are no headers.
func (s *steered) told(start order, headers metadata.MD) {
	if headers != nil {
		s.tell(event{Call: start.Call, Is: "headers", Metadata: pairs(headers)})
	}
}

func (s *steered) answerLate(start order, sends <-chan order) {
	for range sends {
		s.tell(event{Call: start.Call, Is: "sent"})
	}
}

func pairs(md metadata.MD) [][2][]byte {
	var all [][2][]byte
	for name, values := range md {
		for _, value := range values {
			all = append(all, [2][]byte{[]byte(name), []byte(value)})
		}
	}
	return all
}
