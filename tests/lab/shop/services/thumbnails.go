package main

import (
	"context"
	"net/http"
	"time"
)

// thumbnails keeps every picture that it has made smaller, and makes one every second.
func thumbnails(context.Context) error {
	go func() {
		var kept [][]byte
		for range time.Tick(time.Second) {
			kept = append(kept, thumbnail(int(number("PICTURE_KIB", 1024))<<10))
		}
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"status": "up"})
	})
	return serve(mux)
}

func thumbnail(size int) []byte {
	picture := make([]byte, size)
	for at := 0; at < size; at += 512 {
		picture[at] = byte(at >> 9)
	}
	return picture
}
