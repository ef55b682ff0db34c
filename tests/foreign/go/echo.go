package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/golang/protobuf/proto"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	grpcstatus "google.golang.org/grpc/status"
)

// Record is what Echo saw of a call that carried x-echo-id: EchoRecord of tests/support/echo.ts.
type Record struct {
	Method        string              `json:"method"`
	Metadata      map[string][]string `json:"metadata"`
	Authority     string              `json:"authority"`
	Peer          string              `json:"peer"`
	DeadlineMs    *float64            `json:"deadlineMs"`
	Received      uint32              `json:"received"`
	ReceivedBytes uint64              `json:"receivedBytes"`
	Sent          uint32              `json:"sent"`
	HalfClosed    bool                `json:"halfClosed"`
	State         string              `json:"state"`
}

// One lock for all records: nobody measures this server.
var (
	lock    sync.Mutex
	records = map[string]*Record{}
)

// One call in Echo's hands.
type echoCall struct {
	ctx         context.Context
	md          metadata.MD
	record      *Record
	headersSent bool
}

func begin(ctx context.Context, method string) *echoCall {
	md, _ := metadata.FromIncomingContext(ctx)
	record := &Record{Method: "/echo.v1.Echo/" + method, Metadata: map[string][]string{}, State: "open"}
	for name, values := range md {
		for _, value := range values {
			if strings.HasSuffix(name, "-bin") {
				value = base64.StdEncoding.EncodeToString([]byte(value))
			}
			record.Metadata[name] = append(record.Metadata[name], value)
		}
	}
	if authority := md.Get(":authority"); len(authority) > 0 {
		record.Authority = authority[0]
	}
	if from, ok := peer.FromContext(ctx); ok {
		record.Peer = from.Addr.String()
	}
	if deadline, ok := ctx.Deadline(); ok {
		left := float64(time.Until(deadline)) / float64(time.Millisecond)
		record.DeadlineMs = &left
	}
	if id := md.Get("x-echo-id"); len(id) > 0 {
		lock.Lock()
		records[id[0]] = record
		lock.Unlock()
	}
	c := &echoCall{ctx: ctx, md: md, record: record}
	grpc.SetTrailer(ctx, c.picked("trail-"))
	go func() {
		<-ctx.Done()
		c.end("cancelled")
	}()
	return c
}

func (c *echoCall) end(state string) {
	lock.Lock()
	defer lock.Unlock()
	if c.record.State == "open" {
		c.record.State = state
	}
}

func (c *echoCall) picked(prefix string) metadata.MD {
	picked := metadata.MD{}
	for name, values := range c.md {
		if strings.HasPrefix(name, prefix) {
			picked[name] = values
		}
	}
	return picked
}

func (c *echoCall) sendHeaders() {
	if !c.headersSent {
		c.headersSent = true
		grpc.SendHeader(c.ctx, c.picked("echo-"))
	}
}

func (c *echoCall) receive(request *EchoRequest) {
	lock.Lock()
	c.record.Received++
	c.record.ReceivedBytes += uint64(len(request.Data))
	lock.Unlock()
	if request.HeadersFirst {
		c.sendHeaders()
	}
}

func (c *echoCall) halfClosed() {
	lock.Lock()
	c.record.HalfClosed = true
	lock.Unlock()
}

// Waits as the request says, or for ever; an error when the call ended meanwhile.
func (c *echoCall) wait(request *EchoRequest, hang bool) error {
	if hang {
		<-c.ctx.Done()
		return c.ctx.Err()
	}
	select {
	case <-time.After(time.Duration(request.DelayMs) * time.Millisecond):
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

func (c *echoCall) response(request *EchoRequest, index int) *EchoResponse {
	lock.Lock()
	defer lock.Unlock()
	c.record.Sent++
	data := request.Data
	if request.Size > 0 {
		data = make([]byte, request.Size)
	}
	return &EchoResponse{
		Data: data, Index: uint32(index),
		Received: c.record.Received, ReceivedBytes: c.record.ReceivedBytes,
	}
}

// The end that the request asks for: nil for OK.
func (c *echoCall) failure(request *EchoRequest) error {
	c.end("ended")
	if request.FailCode == 0 {
		return nil
	}
	if rich := c.md.Get("x-echo-details-bin"); len(rich) > 0 {
		var details status.Status
		if err := proto.Unmarshal([]byte(rich[0]), &details); err != nil {
			return err
		}
		return grpcstatus.ErrorProto(&details)
	}
	return grpcstatus.Error(codes.Code(request.FailCode), request.FailMessage)
}

func unary(_ interface{}, ctx context.Context, decode func(interface{}) error, _ grpc.UnaryServerInterceptor) (interface{}, error) {
	var request EchoRequest
	if err := decode(&request); err != nil {
		return nil, err
	}
	md, _ := metadata.FromIncomingContext(ctx)
	if asked := md.Get("x-echo-report"); len(asked) > 0 {
		lock.Lock()
		defer lock.Unlock()
		report, err := json.Marshal(records[asked[0]])
		return &EchoResponse{Data: report}, err
	}
	c := begin(ctx, "Unary")
	c.receive(&request)
	c.halfClosed()
	if err := c.wait(&request, request.Hang); err != nil {
		return nil, err
	}
	if err := c.failure(&request); err != nil {
		return nil, err
	}
	c.sendHeaders()
	return c.response(&request, 0), nil
}

func serverStream(_ interface{}, stream grpc.ServerStream) error {
	var request EchoRequest
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	c := begin(stream.Context(), "ServerStream")
	c.receive(&request)
	c.halfClosed()
	for i := 0; i < int(request.Count); i++ {
		if request.DelayMs > 0 {
			if err := c.wait(&request, false); err != nil {
				return err
			}
		}
		c.sendHeaders()
		if err := stream.SendMsg(c.response(&request, i)); err != nil {
			return err
		}
	}
	if request.Hang {
		return c.wait(&request, true)
	}
	return c.close(&request)
}

// Ends a stream of responses, with headers also where there was none.
func (c *echoCall) close(request *EchoRequest) error {
	if err := c.failure(request); err != nil {
		return err
	}
	c.sendHeaders()
	return nil
}

func clientStream(_ interface{}, stream grpc.ServerStream) error {
	c := begin(stream.Context(), "ClientStream")
	var last EchoRequest
	for {
		var request EchoRequest
		if err := stream.RecvMsg(&request); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		last = request
		c.receive(&request)
		if err := c.wait(&request, request.Hang); err != nil {
			return err
		}
		if request.FailCode != 0 {
			return c.failure(&request)
		}
	}
	c.halfClosed()
	c.end("ended")
	c.sendHeaders()
	return stream.SendMsg(c.response(&last, 0))
}

func bidi(_ interface{}, stream grpc.ServerStream) error {
	c := begin(stream.Context(), "Bidi")
	for i := 0; ; i++ {
		var request EchoRequest
		if err := stream.RecvMsg(&request); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		c.receive(&request)
		if err := c.wait(&request, request.Hang); err != nil {
			return err
		}
		c.sendHeaders()
		if err := stream.SendMsg(c.response(&request, i)); err != nil {
			return err
		}
		if request.FailCode != 0 {
			return c.failure(&request)
		}
	}
	c.halfClosed()
	return c.close(&EchoRequest{})
}

var echoService = grpc.ServiceDesc{
	ServiceName: "echo.v1.Echo",
	HandlerType: (*interface{})(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Unary", Handler: unary}},
	Streams: []grpc.StreamDesc{
		{StreamName: "ServerStream", Handler: serverStream, ServerStreams: true},
		{StreamName: "ClientStream", Handler: clientStream, ClientStreams: true},
		{StreamName: "Bidi", Handler: bidi, ServerStreams: true, ClientStreams: true},
	},
	Metadata: "echo/v1/echo.proto",
}
