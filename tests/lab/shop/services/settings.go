package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// folder is a mounted ConfigMap, read again every second, so that a change works without a restart.
type folder struct {
	path   string
	mutex  sync.Mutex
	read   time.Time
	values map[string]string
}

func (f *folder) get(name, fallback string) string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if time.Since(f.read) > time.Second {
		f.values = map[string]string{}
		files, _ := filepath.Glob(filepath.Join(f.path, "*"))
		for _, file := range files {
			if content, err := os.ReadFile(file); err == nil {
				f.values[filepath.Base(file)] = strings.TrimSpace(string(content))
			}
		}
		f.read = time.Now()
	}
	if value, present := f.values[name]; present {
		return value
	}
	return fallback
}

func (f *folder) on(name string) bool {
	return f.get(name, "false") == "true"
}

func (f *folder) number(name string, fallback float64) float64 {
	value, err := strconv.ParseFloat(f.get(name, ""), 64)
	if err != nil {
		return fallback
	}
	return value
}
