package main

import (
	"bytes"
	"compress/gzip"
	"log"
	"os"

	"github.com/golang/protobuf/proto"
	"github.com/golang/protobuf/protoc-gen-go/descriptor"
)

// EchoRequest is that of proto/echo/v1/echo.proto; the tags are all that a message needs.
type EchoRequest struct {
	Data         []byte `protobuf:"bytes,1,opt,name=data,proto3"`
	Count        uint32 `protobuf:"varint,2,opt,name=count,proto3"`
	Size         uint32 `protobuf:"varint,3,opt,name=size,proto3"`
	DelayMs      uint32 `protobuf:"varint,4,opt,name=delay_ms,proto3"`
	FailCode     uint32 `protobuf:"varint,5,opt,name=fail_code,proto3"`
	FailMessage  string `protobuf:"bytes,6,opt,name=fail_message,proto3"`
	HeadersFirst bool   `protobuf:"varint,7,opt,name=headers_first,proto3"`
	Hang         bool   `protobuf:"varint,8,opt,name=hang,proto3"`
}

func (m *EchoRequest) Reset()         { *m = EchoRequest{} }
func (m *EchoRequest) String() string { return proto.CompactTextString(m) }
func (m *EchoRequest) ProtoMessage()  {}

// EchoResponse is that of proto/echo/v1/echo.proto.
type EchoResponse struct {
	Data          []byte `protobuf:"bytes,1,opt,name=data,proto3"`
	Index         uint32 `protobuf:"varint,2,opt,name=index,proto3"`
	Received      uint32 `protobuf:"varint,3,opt,name=received,proto3"`
	ReceivedBytes uint64 `protobuf:"varint,4,opt,name=received_bytes,proto3"`
}

func (m *EchoResponse) Reset()         { *m = EchoResponse{} }
func (m *EchoResponse) String() string { return proto.CompactTextString(m) }
func (m *EchoResponse) ProtoMessage()  {}

// Words is that of tests/foreign/talk.proto, which is proto2.
type Words struct {
	Text  *string  `protobuf:"bytes,1,req,name=text"`
	Count *int32   `protobuf:"varint,2,opt,name=count,def=2"`
	Notes []string `protobuf:"bytes,3,rep,name=notes"`
	Mood  *int32   `protobuf:"varint,4,opt,name=mood"`
}

func (m *Words) Reset()         { *m = Words{} }
func (m *Words) String() string { return proto.CompactTextString(m) }
func (m *Words) ProtoMessage()  {}

// Registers the files of a protoset, as generated code does: reflection hands them out.
func registerFiles(protoset string) {
	data, err := os.ReadFile(protoset)
	if err != nil {
		log.Fatal(err)
	}
	var set descriptor.FileDescriptorSet
	if err := proto.Unmarshal(data, &set); err != nil {
		log.Fatal(err)
	}
	for _, file := range set.File {
		encoded, err := proto.Marshal(file)
		if err != nil {
			log.Fatal(err)
		}
		var packed bytes.Buffer
		writer := gzip.NewWriter(&packed)
		writer.Write(encoded)
		writer.Close()
		proto.RegisterFile(file.GetName(), packed.Bytes())
	}
}
