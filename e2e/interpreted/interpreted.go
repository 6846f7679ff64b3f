// Package interpreted loads a plugin as Traefik does (pkg/plugins in Traefik):
// interpreted by Yaegi, its configuration decoded by mapstructure.
package interpreted

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"reflect"

	"github.com/mitchellh/mapstructure"
	"github.com/traefik/yaegi/interp"
	"github.com/traefik/yaegi/stdlib"
	"gopkg.in/yaml.v3"

	"github.com/traefikchips/traefik-chips/e2e/stage"
)

// Plugin is a plugin in an interpreter of its own.
type Plugin struct {
	Stdout, Stderr bytes.Buffer

	createConfig, new reflect.Value
}

// Manifest is what Traefik and the plugin catalog read from .traefik.yml.
type Manifest struct {
	DisplayName string         `yaml:"displayName"`
	Type        string         `yaml:"type"`
	Import      string         `yaml:"import"`
	BasePkg     string         `yaml:"basePkg"`
	Summary     string         `yaml:"summary"`
	TestData    map[string]any `yaml:"testData"`
}

// ReadManifest reads the manifest of the plugin in a folder.
func ReadManifest(folder string) (Manifest, error) {
	var m Manifest
	text, err := os.ReadFile(filepath.Join(folder, ".traefik.yml"))
	if err != nil {
		return m, err
	}
	return m, yaml.Unmarshal(text, &m)
}

// Load loads the plugin in a folder of this checkout, "" for its root.
func Load(folder string) (*Plugin, error) {
	m, err := ReadManifest(filepath.Join(stage.Root(), folder))
	if err != nil {
		return nil, err
	}
	goPath, err := os.MkdirTemp("", "traefik-chips-gopath-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(goPath)
	source := filepath.Join(goPath, "src", stage.ModuleName)
	if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
		return nil, err
	}
	if err := os.Symlink(stage.Root(), source); err != nil {
		return nil, err
	}
	p := &Plugin{}
	i := interp.New(interp.Options{GoPath: goPath, Env: os.Environ(), Stdout: &p.Stdout, Stderr: &p.Stderr})
	if err := i.Use(stdlib.Symbols); err != nil {
		return nil, err
	}
	if _, err := i.Eval(`import "` + m.Import + `"`); err != nil {
		return nil, err
	}
	if p.new, err = i.Eval(m.BasePkg + ".New"); err != nil {
		return nil, err
	}
	p.createConfig, err = i.Eval(m.BasePkg + ".CreateConfig")
	return p, err
}

// New builds a middleware, called test@file, in front of next.
func (p *Plugin) New(config map[string]any, next http.Handler) (http.Handler, error) {
	decoded := p.createConfig.Call(nil)[0]
	if len(config) > 0 {
		decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
			DecodeHook:       mapstructure.StringToSliceHookFunc(","),
			WeaklyTypedInput: true,
			Result:           decoded.Interface(),
		})
		if err != nil {
			return nil, err
		}
		if err := decoder.Decode(config); err != nil {
			return nil, err
		}
	}
	results := p.new.Call([]reflect.Value{reflect.ValueOf(context.Background()), reflect.ValueOf(next), decoded, reflect.ValueOf("test@file")})
	if err, failed := results[1].Interface().(error); failed {
		return nil, err
	}
	return results[0].Interface().(http.Handler), nil
}
