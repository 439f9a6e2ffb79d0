// A server and a caller of Go's net/http: `serve` prints its port, `call URL COUNT` sends requests on kept connections.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
)

func main() {
	if os.Args[1] == "serve" {
		serve()
	} else {
		call(os.Args[2], os.Args[3])
	}
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	http.Serve(listener, http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		if request.URL.Path == "/chunked" {
			answer.(http.Flusher).Flush()
		}
		fmt.Fprintf(answer, "%s %s %s", request.Method, request.URL.Path, body)
	}))
}

func call(url string, count string) {
	total, _ := strconv.Atoi(count)
	reused := 0
	for i := 0; i < total; i++ {
		var body io.Reader
		if i%2 == 1 {
			// Its length is not known to net/http, which sends chunks.
			body = io.MultiReader(strings.NewReader("hello "), strings.NewReader("chunks"))
		}
		request, _ := http.NewRequest("POST", url, body)
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			if info.Reused {
				reused++
			}
		}}
		response, err := http.DefaultClient.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
		if err != nil {
			panic(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		fmt.Println(response.StatusCode, string(text))
	}
	fmt.Println("reused", reused)
}
